"""Learned criteria: their draws, and the names of what stands beside them at their widths.

An entry of `criteria.learned` is one criterion that is learned several times: a draw is a criterion of its own,
`gates.mlp.0`, and the entry's name, `gates.mlp`, stands for all of them. Plain data from the checked settings.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Scores whose order stands beside every learned criterion at its widths.
BESIDE = ("l1", "taylor_activation")
# The start of gates that is no score.
ZERO = "zero"
SCORER = "scorer"


def draws(entry: Mapping[str, Any]) -> list[str]:
    """The criteria of an entry: its draws."""
    return drawn(entry["name"], entry["draws"])


def drawn(name: str, count: int) -> list[str]:
    """The names of all draws of a criterion."""
    return [f"{name}.{draw}" for draw in range(count)]


def by_draw(entries: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """{criterion with its draw: its entry}."""
    known = {}
    for entry in entries:
        known |= dict.fromkeys(draws(entry), entry)
    return known


def names(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of entries, each of which stands for all draws."""
    return [entry["name"] for entry in entries]


def draw_of(criterion: str) -> int:
    """The draw of a learned criterion: that of gates.mlp.2 is 2."""
    return int(criterion.rpartition(".")[2])


def scores_units(entry: Mapping[str, Any]) -> bool:
    """True for an entry whose units are scored by a scorer, False for gates."""
    return entry["kind"] == SCORER


def fitted(entry: Mapping[str, Any]) -> bool:
    """True for a scorer that the study itself fits, or draws, and does not take from a file."""
    return scores_units(entry) and entry["file"] is None


def file_of(entry: Mapping[str, Any], seed: int | str, draw: int) -> str:
    """The file of a scorer that was fitted elsewhere, for a training seed and a draw, as the settings name it."""
    return entry["file"].replace("{seed}", str(seed)).replace("{draw}", str(draw))


def jointly(criterion: str, entries: Iterable[Mapping[str, Any]]) -> bool:
    """True for a learned criterion, with or without its draw, that is learned together with weights that are kept."""
    for entry in entries:
        if criterion in (entry["name"], *draws(entry)):
            # Those that are trained beside a scorer are discarded.
            return entry["weights"] == "joint" and not scores_units(entry)
    return False


def starts(entry: Mapping[str, Any]) -> list[str]:
    """The score of channels at which the gates of an entry start, if they start at one."""
    return [] if entry.get("start", ZERO) == ZERO else [entry["start"]]


def beside(entry: Mapping[str, Any]) -> dict[str, str]:
    """{criterion: the score whose order it is, at the widths of the entry}.

    None with a free budget: its widths are known only when it has been learned.
    """
    if entry["widths"] is None:
        return {}
    return {f"{score}.{entry['name']}": score for score in BESIDE}


def chance(entry: Mapping[str, Any], count: int) -> list[str]:
    """The draws of random channels within layers at the widths of an entry."""
    return drawn(f"shuffled.{entry['name']}", count)


def uniform(entry: Mapping[str, Any]) -> list[str]:
    """The draws of an entry with equal shares of all layers: a control, where the study asks for it."""
    return [f"uniform.{criterion}" for criterion in draws(entry)]


def ranked(entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{criterion: settings as those of `criteria.scores`}: how an entry's draws, and scores beside it, are ranked."""
    terms = {"normalise": "none", "scope": "global"}
    if entry["widths"] is not None:
        terms |= {"scope": "widths", "widths": entry["widths"]}
    rankings = {}
    for criterion in draws(entry):
        # All channels of a unit have the score of its one gate, which a sum would count several times.
        rankings[criterion] = {"name": criterion, "score": criterion, "unit_score": "max", **terms}
    for criterion, score in beside(entry).items():
        rankings[criterion] = {"name": criterion, "score": score, **terms}
    return rankings


def expanded(criterion: str, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The criteria that a name stands for: all draws of a learned one, and any other for itself."""
    for entry in entries:
        if criterion == entry["name"]:
            return draws(entry)
    return [criterion]
