"""Comparisons and findings: paired differences of networks judged against a margin, or counts that are exact."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from secateur.analysis.paired_tests import FAILS, HOLDS, NEAR_CHANCE, UNKNOWN
from secateur.analysis.wording import joined
from secateur.study.kinds import KINDS, Cell
from secateur.verdicts import across_words, phrases, selection_study, thesis_claims
from secateur.verdicts.across import Difference
from secateur.verdicts.selection_study import DENSE, Compared, Study

# Verdicts as the page prints them, and two that are none and do not count.
WORDS = {HOLDS: "holds", FAILS: "fails", UNKNOWN: "cannot be told at this scale"}
NOT_COMPARED, NOT_MEASURED = "not compared", "not measured"
# The training images behind two networks: as many, at least as many behind the second, or not to be compared.
EQUAL, AT_LEAST, ANY = "equal", "at least", "any"
# What a verdict adds where "not worse" holds although the whole interval lies below zero.
BEHIND = "behind, within the margin"
COLUMNS = ("accuracy, %", "difference, points", "n", "training images")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two networks of one study, None where it was not measured; `images` says how their training images compare."""

    first: Cell | None
    second: Cell | None
    pair: str  # both in words
    images: str


@dataclasses.dataclass(frozen=True)
class Item:
    """A row of a claim's table, its verdict, and the difference behind it where there is one."""

    row: dict[str, str]
    verdict: str
    compared: Compared | None = None

    @property
    def behind(self) -> bool:
        """True where the first is behind by less than the margin, with its whole interval below zero."""
        return self.verdict == HOLDS and self.compared is not None and self.compared.difference.high < 0

    @property
    def words(self) -> str:
        """The verdict as the page prints it."""
        words = WORDS.get(self.verdict, self.verdict)
        return f"{words} ({BEHIND})" if self.behind else words


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the source, and the items that decide it in a study; `key` is its letter."""

    key: str
    sentence: str
    items: Callable[[Study], Iterator[Item]]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A claim in one study, with its items."""

    claim: Claim
    study: Study
    items: tuple[Item, ...]

    @property
    def judged(self) -> list[str]:
        """The verdicts that count."""
        return [item.verdict for item in self.items if item.verdict in WORDS]

    @property
    def verdict(self) -> str:
        """The verdict in the words of the page: all items have to hold, and one that fails is enough to fail."""
        if not self.judged:
            unlike = any(item.verdict == NOT_COMPARED for item in self.items)
            return NOT_COMPARED if unlike else NOT_MEASURED
        return WORDS[thesis_claims.all_hold(self.judged)]

    @property
    def counted(self) -> str:
        """The counts of its comparisons, in words: how many hold, fail and cannot be told, and those left out."""
        clauses = []
        if self.judged:
            counts = _counts(self.judged, WORDS)
            number = across_words.in_words(len(self.judged))
            comparisons = phrases.agree(len(self.judged), "comparisons", "comparison")
            clauses.append(f"of {number} {comparisons} it {joined(counts)}")
        behind = sum(item.behind for item in self.items)
        if behind:
            clauses.append(f"{BEHIND} in {across_words.in_words(behind)}")
        verdicts = [item.verdict for item in self.items]
        clauses += _counts(verdicts, {words: words for words in (NOT_COMPARED, NOT_MEASURED)})
        return "; ".join(clauses) or "the study has nothing that this is about"


def _counts(verdicts, words):
    """The counts of those verdicts that are among `words`: holds in two."""
    counts = []
    for verdict, named in words.items():
        if verdict in verdicts:
            counts.append(f"{named} in {across_words.in_words(verdicts.count(verdict))}")
    return counts


def judged(study: Study, claims: Sequence[Claim]) -> list[Finding]:
    """Every claim in a study."""
    return [Finding(claim, study, tuple(claim.items(study))) for claim in claims]


def verdict(difference: Difference, margin: float) -> str:
    """HOLDS where the interval of a difference lies above -margin, FAILS where it lies below, UNKNOWN otherwise.

    With margin 0 the question is whether the first is ahead. Without an interval nothing can be told.
    """
    if difference.low > -margin:
        return HOLDS
    return FAILS if difference.high < -margin else UNKNOWN


def items(study: Study, comparisons: Iterator[Comparison], margin: float) -> Iterator[Item]:
    """The Items of comparisons: judged, or with the reason for which they are not."""
    for comparison in comparisons:
        yield _item(study, comparison, margin)


def _item(study, comparison, margin):
    first, second = comparison.first, comparison.second
    cells = row(study, comparison.pair)
    if first is None or second is None:
        return Item(cells, NOT_MEASURED)
    compared = selection_study.compared(study, first, second)
    cells["accuracy, %"] = " and ".join(map(accuracy, (compared.first, compared.second)))
    cells["difference, points"] = points(compared.difference)
    cells["n"] = compared.n
    cells["training images"] = " and ".join(images_of(study, cell) for cell in (first, second))
    if not as_many(study, first, second, comparison.images):
        return Item(cells, NOT_COMPARED, compared)
    if max(compared.first, compared.second) <= study.chance + NEAR_CHANCE:
        cells["n"] += ", at chance"
        return Item(cells, UNKNOWN, compared)
    return Item(cells, verdict(compared.difference, margin), compared)


def row(study: Study, pair: str) -> dict[str, str]:
    """The row of two networks in a claim's table, before anything is known of them."""
    return {"study": study.label, "compared": pair, **dict.fromkeys(COLUMNS, "-")}


def accuracy(value: float) -> str:
    """An accuracy in percent, as closely as the margin at full size needs; a dash where there is none."""
    return "-" if value != value else f"{100 * value:.2f}"


def points(difference: Difference) -> str:
    """A Difference in points with its interval, as closely; a dash where a network has no accuracy."""
    estimate, low, high = (100 * end for end in (difference.estimate, difference.low, difference.high))
    if estimate != estimate:
        return "-"
    interval = "no interval" if low != low else f"{low:+z.2f}, {high:+z.2f}"
    return f"{estimate:+z.2f} [{interval}]"


def span(differences: Sequence[Difference]) -> str:
    """The smallest and the largest of some differences, in points, as closely."""
    estimates = [100 * difference.estimate for difference in differences]
    ends = dict.fromkeys(f"{end:+z.2f}" for end in (min(estimates), max(estimates)))
    return f"{' to '.join(ends)} points"


def images_of(study: Study, cell: Cell) -> str:
    """The count of training images behind a network since the dense training, or from the start of fresh weights."""
    if cell == DENSE:
        return "0"
    return " or ".join(f"{count:,}" for count in study.distinct(cell, "trained_images"))


def as_many(study: Study, first: Cell, second: Cell, images: str) -> bool:
    """Tell whether the training images of two networks compare as `images` asks: EQUAL, AT_LEAST or ANY."""
    counts, others = (study.distinct(cell, "trained_images") for cell in (first, second))
    if images == EQUAL:
        return counts == others and len(counts) == 1
    return images == ANY or max(counts) <= min(others)


def words(criterion: str, kind: str) -> str:
    """A network in words: its criterion, and what became of it."""
    return f"`{criterion}` ({KINDS[kind].column})"


def versus(first: Cell | None, second: Cell | None, unmeasured: tuple[str, str], images: str) -> Comparison:
    """A Comparison of two networks, named as they are where they were measured, and else as in `unmeasured`."""
    sides = []
    for cell, name in zip((first, second), unmeasured, strict=True):
        sides.append(name if cell is None else _named(cell))
    return Comparison(first, second, " against ".join(sides), images)


def _named(cell):
    return "the dense network" if cell == DENSE else words(cell.criterion, cell.kind)
