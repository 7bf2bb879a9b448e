"""Differences between criteria of finished studies in words: counts, points, tallies and ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from secateur.analysis.wording import interval, joined, percent
from secateur.verdicts import across, phrases
from secateur.verdicts.across import AHEAD, BEHIND, UNTOLD, WITHOUT, Difference, Study

ONES = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def in_words(count: int) -> str:
    """A count below 100 in words, so that every digit of the text is a number of a table; others in digits."""
    if count < len(ONES):
        return ONES[count]
    if count >= 100:
        return f"{count:,}"
    tens, ones = divmod(count, 10)
    return f"{TENS[tens]}-{ONES[ones]}" if ones else TENS[tens]


def points(difference: Difference | None) -> str:
    """A Difference in points with its interval, or a dash."""
    if difference is None:
        return "-"
    return interval(difference.estimate, difference.low, difference.high)


def accuracy(value: float | None) -> str:
    """An accuracy in percent, or a dash."""
    if value is None or value != value:
        return "-"
    return f"{100 * value:.1f}"


def tally(differences: Iterable[Difference]) -> dict[str, int]:
    """The counts of Differences that are ahead, behind, not told apart, and without an interval: {verdict: count}."""
    counts: dict[str, int] = dict.fromkeys((AHEAD, BEHIND, UNTOLD, WITHOUT), 0)
    for difference in differences:
        counts[difference.verdict] += 1
    return counts


def of_all(differences: Sequence[Difference]) -> str:
    """The tally in words: of six comparisons ahead in four and behind in two."""
    parts = []
    for verdict, count in tally(differences).items():
        if count:
            parts.append(f"{verdict} in {in_words(count)}")
    comparisons = phrases.agree(len(differences), "comparisons", "comparison")
    return f"of {in_words(len(differences))} {comparisons} {joined(parts)}"


def behind(by_name: dict[str, Difference]) -> str:
    """The criteria that are behind, with the points: `l1` by -1.0 [...], `l2` by -2.0 [...]."""
    parts = []
    for name, difference in by_name.items():
        if difference.verdict == BEHIND:
            parts.append(f"`{name}` by {points(difference)}")
    return ", ".join(parts)


def against(studies: Sequence[Study], first: str, second: str) -> str:
    """A sentence on two criteria over all networks and levels, with every cell where the first is behind."""
    cells = across.cells(studies, first, second)
    lost = []
    for cell in cells:
        if cell.difference.verdict == BEHIND:
            lost.append(f"{cell.study.label} at {percent(cell.level)} by {points(cell.difference)}")
    text = f"`{first}` against `{second}`: {of_all([cell.difference for cell in cells])}"
    if not lost:
        return f"{text}."
    return f"{text} ({'; '.join(lost)})."


def with_behind(text: str, names: str, mark: str = ": ") -> str:
    """A sentence with the criteria that are behind, where there are any."""
    return f"{text}; behind{mark}{names}." if names else f"{text}."


def span(differences: Iterable[Difference]) -> str:
    """The smallest and the largest of some differences, in points."""
    estimates = [difference.estimate for difference in differences]
    return f"{100 * min(estimates):+z.1f} to {100 * max(estimates):+z.1f} points"
