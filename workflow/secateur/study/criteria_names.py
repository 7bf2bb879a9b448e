"""Names of a study's criteria, by families that are evaluated together, and of readings that share their relevance.

Plain data from the checked settings: the rules and `secateur check` both plan by it, and neither torch nor Snakemake is
needed.
"""

import itertools
from collections.abc import Mapping
from typing import Any

from secateur.study import learned
from secateur.study.vocabulary import PER, without_draw

# Targets of a reading that name no class.
TARGETS = ("predicted", "label", "all")
# The end of the names of files with scores of first weights.
INITIAL = ".initial"
# The end of the names of criteria whose levels are shared out between layers by sensitivity.
ALLOCATED = ".allocated"
# The ends of the names of criteria that are scored in steps, by the network against which a step recovers.
RESCORED = {"dense": ".rescored", "before": ".rescored_before"}
# The one job that evaluates all families, where a study says so.
TOGETHER = "all"
# The most mixed lists in a family: with more, other jobs would wait for the longest of them.
MOST = 6


def _scores(criteria):
    return [score["name"] for score in criteria["scores"]]


def _files(criteria):
    plain = list(criteria["files"])
    return [*plain, *(f"{name}{PER[per]}" for per in criteria["files_per"] for name in plain)]


def _mixtures(criteria):
    names = []
    for mixture in criteria["mixtures"]:
        names += [f"{mixture['name']}.{delta}" for delta in mixture["deltas"]]
    return names


def _allocated(criteria):
    return [f"{name}{ALLOCATED}" for name in criteria["allocated"]]


def _rescored(criteria):
    return [f"{entry['criterion']}{RESCORED[entry['against']]}" for entry in criteria["rescored"]]


# Criteria beside those of readings and weights, in families of their own: {family: its criteria, of `criteria`}.
MORE = {"scores": _scores, "files": _files, "mixtures": _mixtures, "allocated": _allocated, "rescored": _rescored}


def of(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """{family: its criteria} of a study with every default filled in."""
    criteria = config["criteria"]
    families = {}
    for source in (*config["readings"], *criteria["weights"]):
        plain = [f"{source}.{statistic}" for statistic in statistics(criteria, source)]
        families[source] = [*plain, *(f"{name}{PER[per]}" for per in costs(config, source) for name in plain)]
    for reading in criteria["mixing"]["readings"]:
        families |= _mixed_families(reading, mixed(criteria))
    for reading in criteria["mixing"]["alternate_only"]:
        families[f"combined.{reading}"] = [f"combined.{reading}"]
    families |= _random_families(criteria)
    for family, names in MORE.items():
        if names(criteria):
            families[family] = names(criteria)
    for entry in criteria["learned"]:
        families[entry["name"]] = [*learned.draws(entry), *learned.beside(entry)]
        families[f"controls.{entry['name']}"] = _learned_controls(entry, criteria)
    return families


def evaluated(config: Mapping[str, Any], families: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """{job: the criteria that it evaluates} of some families: one for each, or one for all of them."""
    if not config["evaluation"]["together"] or not families:
        return dict(families)
    return {TOGETHER: list(itertools.chain.from_iterable(families.values()))}


def _mixed_families(reading, lists):
    """{family: its criteria} of the mixed lists of a reading, in nearly equal parts of at most MOST."""
    families = {}
    count = -(-len(lists) // MOST)
    for part in range(count):
        family = f"mixed.{reading}.part{part + 1}" if part else f"mixed.{reading}"
        patterns = lists[len(lists) * part // count : len(lists) * (part + 1) // count]
        families[family] = [pattern.format(reading=reading) for pattern in patterns]
    return families


def _random_families(criteria):
    """{family: its criteria} of all that is drawn: the controls of each criterion, and random rankings."""
    families, count = {}, criteria["random"]
    for criterion in plainly_controlled(criteria):
        families[f"controls.{criterion}"] = [f"uniform.{criterion}", *learned.drawn(f"shuffled.{criterion}", count)]
    families["random"] = learned.drawn("random", count)
    if controlled(criteria):
        families["random"] += learned.drawn("uniform.random", count)
    return families


def _learned_controls(entry, criteria):
    """The controls of a learned criterion: random channels at its widths, and equal shares where the study asks."""
    names = learned.chance(entry, criteria["random"])
    if entry["name"] in controlled(criteria):
        names += learned.uniform(entry)
    return names


def costs(config: Mapping[str, Any], source: str) -> list[str]:
    """The costs by which the scores of a reading, or of weights, are divided too."""
    if source in config["readings"]:
        return config["readings"][source]["per"]
    return config["criteria"]["weights_per"]


def statistics(criteria: Mapping[str, Any], source: str) -> list[str]:
    """The evaluated statistics of a reading or of weights: all where these are compared, else the mixed one."""
    if criteria["compared"] is None or source in criteria["compared"]:
        return criteria["statistics"]
    return [criteria["mixing"]["statistic"]]


def mixed(criteria: Mapping[str, Any]) -> list[str]:
    """The lists that mix a reading with the weights, with {reading} in place of its name."""
    lists = [f"mixed.{{reading}}.{delta}" for delta in criteria["mixing"]["deltas"]]
    if criteria["mixing"]["alternate"]:
        lists.insert(0, "combined.{reading}")
    return lists


def controlled(criteria: Mapping[str, Any]) -> list[str]:
    """The criteria that have controls, a learned one without its draw.

    With `true`, those of the mixed readings, and of the weights in the mixed lists.
    """
    if not criteria["controls"]:
        return []
    if criteria["controls"] is not True:
        return criteria["controls"]
    sources = [*criteria["mixing"]["readings"], criteria["weights"][0]]
    return [f"{source}.{criteria['mixing']['statistic']}" for source in sources]


def plainly_controlled(criteria: Mapping[str, Any]) -> list[str]:
    """The criteria with controls that are not learned: each has one ranking."""
    entries = learned.names(criteria["learned"])
    return [name for name in controlled(criteria) if name not in entries]


def uncontrolled(config: Mapping[str, Any]) -> list[str]:
    """All criteria of a study but controls that it asks for."""
    without = {**config, "criteria": config["criteria"] | {"controls": False}}
    return list(itertools.chain.from_iterable(of(without).values()))


def drawn_as_lines(config: Mapping[str, Any]) -> list[str]:
    """The lines of the figure `scores`: criteria beside those of readings and weights, and those of these by cost.

    Draws of learned criteria are one line.
    """
    criteria, lines = config["criteria"], []
    for source in (*config["readings"], *criteria["weights"]):
        lines += [f"{source}.{criteria['mixing']['statistic']}{PER[per]}" for per in costs(config, source)]
    for names in MORE.values():
        lines += names(criteria)
    for entry in criteria["learned"]:
        lines += [entry["name"], *learned.beside(entry), f"shuffled.{entry['name']}"]
    return lines


def ranked_by_score(criteria: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """{criterion: the settings of its score}: `criteria.scores`, draws of learned criteria, and scores beside them."""
    rankings = {score["name"]: score for score in criteria["scores"]}
    for entry in criteria["learned"]:
        rankings |= learned.ranked(entry)
    return rankings


def lines_at_widths(criteria: Mapping[str, Any]) -> dict[str, Mapping[str, int]]:
    """{criterion, draws as one: the widths that it meets at one level} of the study's figures."""
    lines = {}
    for name, score in ranked_by_score(criteria).items():
        if score["scope"] == "widths":
            lines[without_draw(name)] = score["widths"]
    for entry in criteria["learned"]:
        if entry["widths"] is not None:
            lines[f"shuffled.{entry['name']}"] = entry["widths"]
    return lines


def file_of(score: Mapping[str, Any]) -> str:
    """The name of the file of scores behind a ranking by a score; that of first weights says so."""
    return f"{score['score']}{INITIAL}" if score.get("at") == "initial" else score["score"]


def channel_scores(criteria: Mapping[str, Any]) -> dict[str, str]:
    """{score of channels, as its file is named: the setting that needs it first}: each is computed once."""
    needed = dict.fromkeys(map(file_of, criteria["scores"]), "criteria.scores")
    for entry in criteria["learned"]:
        for score in (*learned.starts(entry), *learned.beside(entry).values()):
            needed.setdefault(score, "criteria.learned")
    return needed


def allocated(criteria: Mapping[str, Any]) -> dict[str, str]:
    """{criterion whose levels are shared out by sensitivity: the criterion whose order within layers it keeps}."""
    return dict(zip(_allocated(criteria), criteria["allocated"], strict=True))


def rescored(criteria: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """{criterion that is scored in steps: its entry of `criteria.rescored`}."""
    return dict(zip(_rescored(criteria), criteria["rescored"], strict=True))


def choosing(config: Mapping[str, Any], families: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """{family: its criteria} of those that are evaluated on the images that choose too; none without such images."""
    if not config["evaluation"]["choose_on"]:
        return {}
    criteria = config["criteria"]
    chosen = (*config["readings"], *criteria["weights"], *MORE, *learned.names(criteria["learned"]))
    found = {}
    for family, names in families.items():
        if family in chosen or family.startswith("mixed."):
            found[family] = names
    return found


def extraction(reading: Mapping[str, Any]) -> dict[str, Any]:
    """The settings on which a reading's relevance depends: all but shards and choices of its statistics."""
    return {key: value for key, value in reading.items() if key not in ("shards", "absolute", "reduce", "per")}


def explained_class(reading: Mapping[str, Any]) -> str | int | None:
    """The class, by name or id, that a reading explains for every image; None where it is not one class."""
    target = reading["target"]
    return None if target in TARGETS else target


def relevance_of(readings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """{reading: the first reading with the same relevance}: readings that differ only in statistics share one file."""
    owners = {}
    for name, reading in readings.items():
        same = (other for other in owners.values() if extraction(readings[other]) == extraction(reading))
        owners[name] = next(same, name)
    return owners
