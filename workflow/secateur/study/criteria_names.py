"""Which criteria a study has, by families that are evaluated together, and which readings share one extraction.

Plain data from the checked settings: the rules and `secateur check` both plan by it, and neither torch nor Snakemake is
needed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

# What a reading's target is but the name or number of a class, and what the propagator is told where that is the same
# for every image.
TARGETS = {"predicted": None, "label": None, "all": "each"}
# So many mixed lists are one family; with more, jobs would wait for the longest of them.
MOST = 6
# More criteria than those of readings and weights, in families of their own.
MORE = {
    "scores": lambda criteria: [score["name"] for score in criteria["scores"]],
    "files": lambda criteria: list(criteria["files"]),
    "mixtures": lambda criteria: [f"{one['name']}.{delta}" for one in criteria["mixtures"] for delta in one["deltas"]],
}


def of(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """{family: its criteria} of a study with every default filled in; a family is evaluated by one job."""
    criteria, draws, controls = config["criteria"], range(config["criteria"]["random"]), controlled(config["criteria"])
    families = {
        source: [f"{source}.{statistic}" for statistic in statistics(criteria, source)]
        for source in (*config["readings"], *criteria["weights"])
    }
    lists = mixed(criteria)
    for one in criteria["mixing"]["readings"]:
        for number, part in enumerate(_parts(lists)):
            name = f"mixed.{one}" if number == 0 else f"mixed.{one}.part{number + 1}"
            families[name] = [criterion.format(reading=one) for criterion in part]
    families |= {f"combined.{one}": [f"combined.{one}"] for one in criteria["mixing"]["alternate_only"]}
    for name in controls:
        families[f"controls.{name}"] = [f"uniform.{name}", *(f"shuffled.{name}.{draw}" for draw in draws)]
    kinds = ["random", *(["uniform.random"] if controls else [])]
    families["random"] = [f"{kind}.{draw}" for kind in kinds for draw in draws]
    more = {family: names(criteria) for family, names in MORE.items()}
    return families | {family: names for family, names in more.items() if names}


def _parts(lists):
    """Nearly equal parts of no more than MOST."""
    count = -(-len(lists) // MOST)
    return [lists[len(lists) * part // count : len(lists) * (part + 1) // count] for part in range(count)]


def statistics(criteria: Mapping[str, Any], source: str) -> list[str]:
    """The statistics of a reading or of weights that are evaluated: all where they are compared, else what is mixed."""
    compared = criteria["compared"] is None or source in criteria["compared"]
    return criteria["statistics"] if compared else [criteria["mixing"]["statistic"]]


def mixed(criteria: Mapping[str, Any]) -> list[str]:
    """The lists that mix a reading with the weights, {reading} standing for it."""
    in_turns = ["combined.{reading}"] if criteria["mixing"]["alternate"] else []
    return in_turns + [f"mixed.{{reading}}.{delta}" for delta in criteria["mixing"]["deltas"]]


def controlled(criteria: Mapping[str, Any]) -> list[str]:
    """What has controls: the readings that are mixed, and the weights that they are mixed with."""
    sources = [*criteria["mixing"]["readings"], criteria["weights"][0]] if criteria["controls"] else []
    return [f"{source}.{criteria['mixing']['statistic']}" for source in sources]


def choosing(config: Mapping[str, Any], families: Iterable[str]) -> list[str]:
    """The families that are measured a second time, on the images that choose, where the study has such images."""
    if not config["evaluation"]["choose_on"]:
        return []
    own = (*config["readings"], *config["criteria"]["weights"], *MORE)
    return [family for family in families if family in own or family.startswith("mixed.")]


def extraction(reading: Mapping[str, Any]) -> dict[str, Any]:
    """What the relevance of a reading depends on: all but its shards and what its statistics do with it."""
    return {key: value for key, value in reading.items() if key not in ("shards", "absolute", "reduce")}


def explained_class(reading: Mapping[str, Any]) -> str | int | None:
    """The class, by name or number, that a reading explains for every image; None where it is not one class."""
    return None if reading["target"] in TARGETS else reading["target"]


def relevance_of(readings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """{reading: the first by name that reads the same}: readings that differ only in statistics share one file."""
    return {
        name: next(first for first, other in readings.items() if extraction(other) == extraction(reading))
        for name, reading in readings.items()
    }
