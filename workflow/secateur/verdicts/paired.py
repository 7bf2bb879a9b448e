"""Comparisons of networks judged against a margin, and findings: the verdict on a claim from all its comparisons."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas
from scipy import stats

from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.analysis.wording import joined
from secateur.verdicts import across_words, phrases, thesis_claims
from secateur.verdicts.across import Difference

# Verdicts as the page prints them, and two that are none and do not count.
WORDS = {HOLDS: "holds", FAILS: "fails", UNKNOWN: "cannot be told at this scale"}
NOT_COMPARED, NOT_MEASURED = "not compared", "not measured"
# What a verdict by a margin adds where the whole interval lies on one side of zero.
AHEAD, BEHIND, UNDECIDED = "ahead", "behind, within the margin", "behind"
LEADING = "ahead, within the margin"
SIDES = (AHEAD, BEHIND, UNDECIDED, LEADING)
# What is added to a verdict that widened intervals do not keep.
NOT_WIDENED = "not when widened"
# The column of `smallest`, and what the count of a comparison that tells nothing ends in.
COULD_BE_SEEN, AT_CHANCE = "could have been seen, points", ", at chance"


@dataclasses.dataclass(frozen=True)
class Compared:
    """The accuracies of two networks, means over seeds and draws, their Difference, and `n` in words."""

    first: float
    second: float
    difference: Difference
    n: str


@dataclasses.dataclass(frozen=True)
class Item:
    """A row of a claim's table, its verdict, and the difference behind it where there is one.

    `margin` is that of "not worse", or where `two_sided` that of "within", and 0 where the question is which of the two
    is ahead. `stays` is false for a verdict that intervals widened for their number do not keep.
    """

    row: dict[str, str]
    verdict: str
    compared: Compared | None = None
    margin: float = 0.0
    two_sided: bool = False
    stays: bool = True

    @property
    def side(self) -> str:
        """One of SIDES for a verdict by a margin whose whole interval lies on one side of zero, else nothing."""
        if self.compared is None or not self.margin:
            return ""
        if self.verdict not in (HOLDS, UNKNOWN) and not self.two_sided:
            return ""
        difference = self.compared.difference
        if difference.high < 0:
            return BEHIND if self.verdict == HOLDS else UNDECIDED
        if difference.low > 0:
            return LEADING if self.two_sided and self.verdict == HOLDS else AHEAD
        return ""

    @property
    def words(self) -> str:
        """The verdict as the page prints it."""
        notes = [note for note in (self.side, "" if self.stays else NOT_WIDENED) if note]
        words = WORDS.get(self.verdict, self.verdict)
        return f"{words} ({'; '.join(notes)})" if notes else words


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the source, and the items that decide it in a study; `key` is its letter.

    `ending` is what follows its verdict in a study, in words.
    """

    key: str
    sentence: str
    items: Callable[[Any], Iterator[Item]]
    ending: Callable[[Finding], str] | None = None


@dataclasses.dataclass(frozen=True)
class Finding:
    """A claim in one study, with its items; at one `level`, in words, where it is judged level by level."""

    claim: Claim
    study: Any
    items: tuple[Item, ...]
    level: str = ""

    @property
    def place(self) -> str:
        """The study, and the level where there is one."""
        return f"{self.study.label} at {self.level}" if self.level else self.study.label

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
    def stays(self) -> bool:
        """True unless the verdict needs those of its items that widened intervals do not keep."""
        kept = [item.verdict if item.stays else UNKNOWN for item in self.items if item.verdict in WORDS]
        return not kept or WORDS[thesis_claims.all_hold(kept)] == self.verdict

    @property
    def marked(self) -> str:
        """The verdict in bold, with a mark where widened intervals do not keep it."""
        return f"**{self.verdict}**" if self.stays else f"**{self.verdict}**, {NOT_WIDENED}"

    @property
    def counted(self) -> str:
        """The counts of its comparisons, in words: how many hold, fail and cannot be told, and those left out."""
        clauses = []
        if len(self.judged) == 1:
            clauses.append(f"its one comparison {WORDS[self.judged[0]]}")
        elif self.judged:
            number = across_words.in_words(len(self.judged))
            clauses.append(f"of {number} comparisons it {joined(_counts(self.judged, WORDS))}")
        clauses += _counts([item.side for item in self.items], {side: side for side in SIDES})
        verdicts = [item.verdict for item in self.items]
        clauses += _counts(verdicts, {words: words for words in (NOT_COMPARED, NOT_MEASURED)})
        return "; ".join(clauses) or "the study has nothing that this is about"

    @property
    def sentence(self) -> str:
        """The verdict with its counts."""
        return f"{self.marked}; {self.counted}" if self.judged else self.counted

    @property
    def cell(self) -> str:
        """The verdict in a table of all of them, with how many of its comparisons hold."""
        if not self.judged:
            return self.verdict
        held = list(map(WORDS.get, self.judged)).count("holds")
        sides = [item.side for item in self.items]
        more = "".join(f", {sides.count(side)} {side}" for side in SIDES if side in sides)
        return f"{self.marked} ({held} of {len(self.judged)} hold{more})"


def _counts(verdicts, words):
    """The counts of those verdicts that are among `words`: holds in two."""
    counts = []
    for verdict, named in words.items():
        if verdict in verdicts:
            counts.append(f"{named} in {across_words.in_words(verdicts.count(verdict))}")
    return counts


def judged(study: Any, claims: Sequence[Claim]) -> list[Finding]:
    """Every claim in a study: one finding, or one for each level where the rows of its items have some."""
    findings = []
    for claim in claims:
        by_level: dict[str, list[Item]] = {}
        for item in claim.items(study):
            by_level.setdefault(item.row.get("level", ""), []).append(item)
        found = by_level or {"": []}
        findings += [Finding(claim, study, tuple(items), level) for level, items in found.items()]
    return findings


def item(row: dict[str, str], compared: Compared, margin: float, at_chance: bool, two_sided: bool = False) -> Item:
    """The Item of a comparison with its difference and count in its row; one at chance tells nothing."""
    row = row | {"difference, points": points(compared.difference), "n": compared.n}
    if COULD_BE_SEEN in row:
        half = smallest(compared.difference)
        row[COULD_BE_SEEN] = "-" if half != half else f"{100 * half:.2f}"
    if at_chance:
        return Item(row | {"n": f"{compared.n}{AT_CHANCE}"}, UNKNOWN, compared)
    return Item(row, verdict(compared.difference, margin, two_sided), compared, margin, two_sided)


def smallest(difference: Difference) -> float:
    """The smallest difference that could have been seen: half the width of the interval."""
    return (difference.high - difference.low) / 2


def summary(
    findings: Sequence[Finding], made_by: Mapping[str, str], unasked: str = NOT_MEASURED
) -> list[dict[str, str]]:
    """A row for each claim: its sentence, whose it is by its key (else this project's), and its verdicts by study.

    `unasked` are the words for a study that has nothing that a claim is about.
    """
    rows: dict[Claim, dict[str, str]] = {}
    for finding in findings:
        claim = finding.claim
        whose = made_by.get(claim.key, "this project")
        first = {"": f"({claim.key})", "claim": claim.sentence, "made by": whose}
        row, label = rows.setdefault(claim, first), finding.study.label
        words = finding.cell if finding.items else unasked
        at_level = f"{finding.level}: {words}" if finding.level else words
        row[label] = f"{row[label]}; {at_level}" if label in row else at_level
    return list(rows.values())


def tally(findings: Sequence[Finding], each: str) -> str:
    """A sentence: how many judgements, one for `each`, hold, fail and cannot be told."""
    counts = []
    for words in (*WORDS.values(), NOT_COMPARED, NOT_MEASURED):
        count = [finding.verdict for finding in findings].count(words)
        if count:
            counts.append(f"{words}: {across_words.in_words(count)}")
    number = across_words.in_words(len(findings))
    return f"Of {number} judgements, one for each {each}: {', '.join(counts)}."


def rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """The rows of a claim's table, with their verdicts."""
    return [item.row | {"verdict": item.words} for finding in findings for item in finding.items]


def section(
    claim: Claim, findings: Iterable[Finding], ending: Callable[[Finding], str] | None = None
) -> Iterator[tuple[str, Any]]:
    """The blocks on one claim where a study asks it: its sentence, a verdict for each finding, and the comparisons.

    `ending` is what follows a verdict in its sentence, in place of the claim's own.
    """
    asked = [finding for finding in findings if finding.items]
    if not asked:
        return
    yield "text", f"**({claim.key}) {claim.sentence}**"
    ending = ending or claim.ending
    ends = [ending(finding) if ending else "" for finding in asked]
    yield "list", [f"{finding.place}: {finding.sentence}{end}." for finding, end in zip(asked, ends, strict=True)]
    yield "table", pandas.DataFrame(rows(asked))


def verdict(difference: Difference, margin: float, two_sided: bool = False) -> str:
    """HOLDS where the interval of a difference lies above -margin, FAILS where it lies below, UNKNOWN otherwise.

    With margin 0 the question is whether the first is ahead. The question of `two_sided` is whether both are within the
    margin: HOLDS between -margin and margin, FAILS beyond one of them. Without an interval nothing can be told.
    """
    if difference.high < -margin or (two_sided and difference.low > margin):
        return FAILS
    if difference.low > -margin and (not two_sided or difference.high < margin):
        return HOLDS
    return UNKNOWN


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
    return in_points([difference.estimate for difference in differences], "+")


def in_points(values: Sequence[float], sign: str = "") -> str:
    """The smallest and the largest of some values in points, once where both are the same."""
    ends = dict.fromkeys(f"{100 * end:{sign}z.2f}" for end in (min(values), max(values)))
    return f"{' to '.join(ends)} points"


# ---- intervals widened for their number ------------------------------------------------------------------------


def widened(label: str, findings: Sequence[Finding]) -> Iterator[str]:
    """A sentence on the comparisons of a study that stay decided with intervals widened for their number."""
    decided = _questions(findings, lambda item: item.verdict in (HOLDS, FAILS))
    if len(findings[0].study.seeds) < 2 or not decided:
        return
    stay = []
    for found in marked(findings):
        for item in found.items:
            if item.compared and item.stays and item.verdict in (HOLDS, FAILS):
                stay.append(f"({found.claim.key}) {item.row['compared']}{found.level and f' at {found.level}'}")
    count = across_words.in_words(len(decided))
    number = across_words.in_words(len(_questions(findings, lambda item: True)))
    yield (
        f"{label}: of {number} comparisons {count} {phrases.agree(len(decided), 'are', 'is')} decided. With all "
        f"intervals widened for their number (Bonferroni) these stay so: {joined(stay) if stay else 'none'}."
    )


def marked(findings: Sequence[Finding]) -> list[Finding]:
    """The findings of one study, of which items say whether widened intervals keep their verdicts (Item.stays)."""
    factor = _factor(findings)
    return [
        dataclasses.replace(found, items=tuple(_tested(item, factor) for item in found.items)) for found in findings
    ]


def _questions(findings, counts):
    """The comparisons that count, once each: a pair of networks in either order at a level, judged by a margin."""
    questions = set()
    for found in findings:
        for item in found.items:
            if item.compared and counts(item):
                pair = frozenset(item.row["compared"].split(" against "))
                questions.add((found.level, pair, item.margin))
    return questions


def _factor(findings):
    """Student's quantile for all comparisons of a study together, in units of that for one; 1 of a single training."""
    number = len(_questions(findings, lambda item: True))
    if not number or len(findings[0].study.seeds) < 2:
        return 1.0
    freedom = len(findings[0].study.seeds) - 1
    alpha = 1 - findings[0].study.settings["figures"]["confidence"]
    return stats.t.ppf(1 - alpha / (2 * number), freedom) / stats.t.ppf(1 - alpha / 2, freedom)


def _tested(item, factor):
    """The same Item, which says whether it has the same verdict with an interval so much wider."""
    if item.compared is None or item.verdict not in (HOLDS, FAILS):
        return item
    difference = item.compared.difference
    low, high = ((end - difference.estimate) * factor for end in (difference.low, difference.high))
    wider = Difference(difference.estimate, difference.estimate + low, difference.estimate + high)
    return dataclasses.replace(item, stays=verdict(wider, item.margin, item.two_sided) == item.verdict)
