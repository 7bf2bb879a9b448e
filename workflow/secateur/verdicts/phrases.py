"""How networks, comparisons and counts of verdicts read on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from secateur.analysis import wording
from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN, Shift

if TYPE_CHECKING:
    from secateur.verdicts.judging import Finding, Item


def counted(tested: Sequence[Finding]) -> str:
    """A clause: how many of the judgements hold, do not, or cannot be told."""
    count = {verdict: sum(one.verdict == verdict for one in tested) for verdict in (HOLDS, FAILS, UNKNOWN)}
    return (
        f"{len(tested)} judgements, {count[HOLDS]} {agree(count[HOLDS], 'hold')}, {count[FAILS]} "
        f"{agree(count[FAILS], 'do', 'does')} not hold, and {count[UNKNOWN]} cannot be told"
    )


def agree(number: int, many: str, one: str | None = None) -> str:
    """The form of a word that goes with a number."""
    return (one or f"{many}s") if number == 1 else many


def origin(facts: Mapping[str, Any]) -> str:
    """Where the weights of a network come from."""
    given, epochs = facts["model"]["weights"], facts["epochs"]
    known = {None: "trained from scratch", "imagenet": "started from ImageNet weights"}
    if given in known:
        return known[given]
    return f"{'started ' if epochs else ''}with weights from `{given}`"


def measured(items: Sequence[Item]) -> str:
    """All comparisons of a claim in one cell; sides that all share are named once."""
    pairs = {pair(item) for item in items}
    shared = f"{pairs.pop()}: " if len(pairs) == 1 else ""
    return shared + "; ".join(_short(item, not shared) for item in items)


def pair(item: Item) -> str:
    """What is compared with what."""
    if isinstance(item.comparison, Shift):
        return f"best blend of `mixed.{item.comparison.reading}`"
    return f"{code(item.comparison.first.label)} against {code(item.comparison.second.label)}"


def _short(item, named):
    note = " (at chance)" if item.note.startswith("at chance") else ""
    if isinstance(item.comparison, Shift):
        first, last = map(wording.percent, item.comparison.levels)
        return f"delta {item.first:.2g} at {first} and {item.second:.2g} at {last}, {shift(item)}{note}"
    between = wording.interval(item.difference, item.low, item.high)
    both = f"{pair(item)}: " if named else ""
    values = f"{100 * item.first:.1f} and {100 * item.second:.1f}"
    return f"{both}{values} at {levels(item.comparison.levels)}, {between}{note}"


def shift(item: Item) -> str:
    """How far a delta moved, with its interval."""
    if item.low != item.low:
        return f"{item.difference:+z.2g} (no interval)"
    return f"{item.difference:+z.2g} [{item.low:+z.2g}, {item.high:+z.2g}]"


def levels(asked: Sequence[float]) -> str:
    """The levels of a comparison: one, or from the first to the last."""
    return wording.percent(asked[0]) if len(asked) == 1 else f"{100 * asked[0]:g} to {wording.percent(asked[-1])}"


def code(label: str) -> str:
    """A name as code, unless it is words."""
    return label if " " in label else f"`{label}`"


def count(number: int) -> str:
    """A number with commas."""
    return f"{number:,}"
