"""Networks, comparisons and counts of verdicts in the words of a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from secateur.analysis import wording
from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN, Shift

if TYPE_CHECKING:
    from secateur.verdicts.judging import Finding, Item


# The origin of the images that rank, by `split.rank_from`.
RANK_FROM = {
    "train": "carved out of the training images",
    "test": "carved out of the test images",
    "validation": "those of the split `validation` or a part of them",
}


def counted(tested: Collection[Finding]) -> str:
    """A clause: the counts of judgements that hold, do not, or cannot be told."""
    count: dict[str, int] = dict.fromkeys((HOLDS, FAILS, UNKNOWN), 0)
    for finding in tested:
        count[finding.verdict] += 1
    return (
        f"{len(tested)} judgements, {count[HOLDS]} {agree(count[HOLDS], 'hold')}, {count[FAILS]} "
        f"{agree(count[FAILS], 'do', 'does')} not hold, and {count[UNKNOWN]} cannot be told"
    )


def agree(number: int, many: str, one: str | None = None) -> str:
    """The form of a word that goes with a number."""
    if number == 1:
        return one or f"{many}s"
    return many


def origin(facts: Mapping[str, Any]) -> str:
    """The origin of a network's weights."""
    weights = facts["model"]["weights"]
    known = {None: "trained from scratch", "imagenet": "started from ImageNet weights"}
    if weights in known:
        return known[weights]
    if facts["epochs"]:
        return f"started with weights from `{weights}`"
    return f"with weights from `{weights}`"


def measured(items: Sequence[Item]) -> str:
    """All comparisons of a claim in one cell; sides that all share are named once."""
    pairs = set(map(pair, items))
    if len(pairs) == 1:
        return f"{pairs.pop()}: {'; '.join(map(_short, items))}"
    return "; ".join(map(_named, items))


def pair(item: Item) -> str:
    """The two sides of a comparison."""
    if isinstance(item.comparison, Shift):
        return f"best blend of `mixed.{item.comparison.reading}`"
    return f"{code(item.comparison.first.label)} against {code(item.comparison.second.label)}"


def _named(item):
    return _short(item) if isinstance(item.comparison, Shift) else f"{pair(item)}: {_short(item)}"


def _short(item):
    note = " (at chance)" if item.note.startswith("at chance") else ""
    if isinstance(item.comparison, Shift):
        first, last = map(wording.percent, item.comparison.levels)
        return f"delta {item.first:.2g} at {first} and {item.second:.2g} at {last}, {shift(item)}{note}"
    between = wording.interval(item.difference, item.low, item.high)
    values = f"{100 * item.first:.1f} and {100 * item.second:.1f}"
    return f"{values} at {levels(item.comparison.levels)}, {between}{note}"


def shift(item: Item) -> str:
    """The move of a delta, with its interval."""
    if item.low != item.low:
        return f"{item.difference:+z.2g} (no interval)"
    return f"{item.difference:+z.2g} [{item.low:+z.2g}, {item.high:+z.2g}]"


def levels(compared: Sequence[float]) -> str:
    """The levels of a comparison: one, or from the first to the last."""
    if len(compared) == 1:
        return wording.percent(compared[0])
    return f"{100 * compared[0]:g} to {wording.percent(compared[-1])}"


def code(label: str) -> str:
    """A name as code, unless it is words."""
    return label if " " in label else f"`{label}`"


def reading(name: str) -> str:
    """A reading as code; nothing for a claim that is judged once for all readings."""
    return f"`{name}`" if name else ""


def count(number: int) -> str:
    """A number with commas."""
    return f"{number:,}"
