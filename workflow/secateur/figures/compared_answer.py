"""The better one of two studies, in sentences and one table, by fixed rules.

Each study is taken at its own chosen point (`analysis.answer`): the level and the criterion that its choosing images
name. What is reported is of the test images, which both share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from secateur import ranking
from secateur.analysis import agreement, averages, two_studies, wording
from secateur.analysis import answer as answers
from secateur.analysis.two_studies import EQUAL, UNKNOWN, A, B, Gap, Point, Study, Two
from secateur.figures import page_parts, study_answer
from secateur.study import criterion_families, kinds, vocabulary

if TYPE_CHECKING:
    import pandas

    from secateur.analysis.answer import Chosen

# Shares of the multiply-adds of the larger dense network that differ by more are no equal price.
UNLIKE = study_answer.UNLIKE
# Criteria that the table of the answer and all figures show.
MOST = 6
PAIRED = {
    two_studies.IMAGES: "Paired by test image: one network each, so that intervals are of these two networks",
    two_studies.SEEDS: "Paired by training seed: equal seeds start from equal weights, on equal images",
    two_studies.APART: (
        "Not paired: the two studies differ in seeds, network, images or splits, so that the errors of both add up"
    ),
}


class Picked(NamedTuple):
    """The point that each of the two studies chooses, and the differences of what both have."""

    a: Chosen
    b: Chosen
    rows: pandas.DataFrame  # of `two_studies.differences`

    @property
    def points(self) -> tuple[Point, Point] | None:
        """The two chosen points; None unless both studies chose one."""
        if self.a.leader is None or self.b.leader is None:
            return None
        return Point(self.a.leader, self.a.level), Point(self.b.leader, self.b.level)

    @property
    def level(self) -> float:
        """The level that is shown first: the one that A chose, or B, or the one in the middle of what both have."""
        common = sorted(set(at_levels(self.rows, kinds.NONE.name)["level"]))
        chosen = filter(common.__contains__, (self.a.level, self.b.level))
        return next(chosen, common[len(common) // 2])


def picked(two: Two) -> Picked:
    """The chosen points of both studies, and all differences."""
    chosen = []
    for study in two[:2]:
        split = study.settings["evaluation"]["choose_on"]
        statistic = study.settings["criteria"]["mixing"]["statistic"]
        chosen.append(answers.of_study(study.results, study.families, split, statistic)[1])
    return Picked(chosen[0], chosen[1], two_studies.differences(two))


def _for_a_page(study):
    """A study in the form that the page of one study takes."""
    rankings = agreement.Rankings([], ranking.order)
    tables = study.settings, study.curves, study.evaluations, study.results
    return page_parts.Study(*tables, "", {}, rankings, {}, {}, "", "")


def answer(two: Two, chosen: Picked) -> str:
    """The section of the answer: what limits it, three sentences, and a table."""
    sentences = [*_at_points(two, chosen), _price(two, chosen), _overall(two, chosen)]
    text = "".join(map('<p class="answer">{}</p>'.format, filter(None, sentences)))
    warned = study_answer.warned_of(_warnings(two, chosen))
    return f'<section id="answer">{warned}{_legend(two)}{text}{_table(two, chosen)}</section>'


def _legend(two):
    """A line that says which study is A, and which is B."""
    parts = []
    for letter, study in zip((A, B), two[:2], strict=True):
        parts.append(f"<b>{letter}</b> is {page_parts.name_of(study.settings['study'])} in {in_folder(study)}")
    return f"<p>{wording.joined(parts)}.</p>"


def in_folder(study: Study) -> str:
    """The folder of a study as HTML."""
    return page_parts.name_of(study.folder)


def _warnings(two, chosen) -> Iterable[str]:
    """Sentences on what limits each of the studies, with its letter, and their comparison."""
    if two.pairing == two_studies.APART and min(len(study.results.seeds) for study in two[:2]) == 1:
        yield "One of the studies has one network and the other has several: no difference has an interval."
    for letter, study, point in zip((A, B), two[:2], chosen[:2], strict=True):
        for sentence in study_answer.warnings(_for_a_page(study), point, averages.on_test(study.curves)):
            yield f"{letter}: {sentence}"


def _at_points(two, chosen):
    """A sentence on which study is better at its chosen point."""
    if chosen.points is None:
        letters = [letter for letter, point in zip((A, B), chosen[:2], strict=True) if point.leader is None]
        yield (
            f"Neither study is called better: in {wording.joined(letters)} no point is chosen, because no images "
            "beside the test images were evaluated (<code>evaluation.choose_on</code>)."
        )
        return
    first, second = chosen.points
    found = _of_chosen(two, first, second)
    words = []
    for letter, point, value in ((A, first, found.a), (B, second, found.b)):
        words.append(
            f"{letter} keeps {_percent(value)} % of the test images right, by {page_parts.name_of(point.criterion)} at "
            f"{wording.percent(point.level)} of the {vocabulary.BUDGETS[two.a.budget]} removed"
        )
    yield f"{_better(found)}: {words[0]}; {words[1]} ({_minus(found)})."


def _minus(found: Gap) -> str:
    return "equal" if found.same else f"B minus A: {points(found)} points"


def _better(found: Gap) -> str:
    if found.word in (A, B):
        return f"<strong>{found.word} is better at its chosen point</strong>"
    if found.word == EQUAL:
        return "<strong>The two studies are equal at their chosen points</strong>"
    return "<strong>Which study is better at its chosen point cannot be told</strong>"


def _price(two, chosen):
    """A sentence on the multiply-adds of the two points, and on the difference at equal ones."""
    if chosen.points is None:
        return ""
    first, second = chosen.points
    left = [
        two_studies.macs(study, kinds.NONE.name, point) for study, point in zip(two[:2], chosen.points, strict=True)
    ]
    largest = max(map(two_studies.dense_macs, two[:2]))
    text = f"A's network has {short(left[0])} multiply-adds left, and B's {short(left[1])}"
    if abs(left[0] - left[1]) <= UNLIKE * largest:
        return f"{text}: an equal price."
    cheaper = A if left[0] < left[1] else B
    found = two_studies.cost_gap(two, kinds.NONE.name, first.criterion, second.criterion, min(left))
    if found is None:
        return f"{text}: another price, {cheaper}'s being the lower; the other study does not go down to it."
    return (
        f"{text}: another price. Where both have {cheaper}'s, the lower one, A keeps {_percent(found.a)} % and B "
        f"{_percent(found.b)} % ({_minus(found)}{'' if found.same else f'; {told(found)}'})."
    )


def _overall(two, chosen):
    """A sentence on all cells that both studies have, as pruned and at equal levels."""
    compared = without_controls(at_levels(chosen.rows, kinds.NONE.name))
    counts = compared["ahead"].value_counts()
    parts = []
    for word, text in ((B, "B is ahead in {}"), (A, "A in {}"), (EQUAL, "{} are equal")):
        parts.append(text.format(counts.get(word, 0)))
    rest = len(compared) - sum(counts.get(word, 0) for word in (A, B, EQUAL))
    parts.append(f"{rest} cannot be told")
    # A warning of cells that are told by chance has no object where none is told.
    told_any = counts.get(A, 0) + counts.get(B, 0) > 0
    by_chance = f"; of cells without any difference, {100 * (1 - two.confidence):g} % would be told by chance"
    return (
        f"Of the {len(compared)} criteria and levels that both have, as pruned, {wording.joined(parts)}"
        f"{by_chance if told_any else ''}. The dense networks: {_dense(two_studies.dense_gap(two))}."
    )


def _dense(found):
    return f"A {_percent(found.a)} %, B {_percent(found.b)} % ({told(found)})"


def told(found: Gap) -> str:
    """The word on a Gap as a clause."""
    words = {A: "A is ahead", B: "B is ahead", EQUAL: "equal", UNKNOWN: "cannot be told"}
    return words.get(found.word, "cannot be told without an interval")


def points(found: Gap) -> str:
    """B minus A in points with its interval, bold where it is told."""
    if found.same:
        return "equal"
    text = wording.interval(found.estimate, found.low, found.high)
    return f"<b>{text}</b>" if found.word in (A, B) else text


def _percent(value):
    return f"{100 * value:.1f}"


def short(macs: float) -> str:
    """A count of multiply-adds in words of three digits."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if macs >= size:
            return f"{macs / size:.3g} {unit}"
    return f"{macs:.0f}"


HEAD = ("criterion", "family", "removed", "A, %", "B, %", "B minus A, points", "multiply-adds left, A", "B")


def _table(two, chosen):
    """The dense networks, the chosen points, and the criteria of `front` at both chosen levels."""
    dense = two_studies.dense_gap(two)
    sizes = map(short, map(two_studies.dense_macs, two[:2]))
    rows = [page_parts.row_of("", ["dense network", "", "0 %", *_three(dense), *sizes])]
    if chosen.points:
        rows.append(_of_points(two, *chosen.points))
    families, pruned = two.families, at_levels(chosen.rows, kinds.NONE.name)
    for level in dict.fromkeys([chosen.level, chosen.a.level, chosen.b.level]):
        for name in front(two, chosen):
            row = page_parts.at(pruned, name, level)
            if row:
                family = criterion_families.FAMILIES[families[name]]
                head = [page_parts.name_of(name), family, wording.percent(level)]
                rows.append(page_parts.row_of(name, [*head, *cells(two, row)], families[name]))
    note = (
        f"<small>Test accuracy; intervals {100 * two.confidence:g} %, bold where zero is outside. "
        f"{PAIRED[two.pairing]}. ≠ marks another price.</small>"
    )
    return page_parts.table_of(HEAD, rows) + note


def _of_chosen(two, first, second) -> Gap:
    """The Gap of the two chosen points, which each study has."""
    found = two_studies.level_gap(two, kinds.NONE.name, first, second)
    assert found is not None, "a study lacks the point that it chose"
    return found


def _of_points(two, first, second):
    found = _of_chosen(two, first, second)
    left = two_studies.macs(two.a, kinds.NONE.name, first), two_studies.macs(two.b, kinds.NONE.name, second)
    removed = " / ".join(dict.fromkeys(map(wording.percent, (first.level, second.level))))
    mark = " ≠" if unlike(two, *left) else ""
    cells = ["chosen points, each study's own", "", removed, *_three(found), short(left[0]), short(left[1]) + mark]
    return page_parts.row_of("", cells)


def _three(found: Gap) -> list[str]:
    return [_percent(found.a), _percent(found.b), points(found)]


def front(two: Two, chosen: Picked) -> list[str]:
    """At most MOST criteria that both studies have: the leaders, one of each further family, and chance."""
    leaders = [point.leader for point in chosen[:2] if point.leader in two.families]
    of_families: dict[str, str] = {}
    for name in [*chosen.a.of_families.values(), *chosen.b.of_families.values()]:
        if name in two.families:
            of_families.setdefault(two.families[name], name)
    led = {two.families[name] for name in leaders}
    others = [name for family, name in of_families.items() if family not in {*led, criterion_families.RANDOM}]
    chance = [criterion_families.RANDOM] if criterion_families.RANDOM in two.families else []
    shown = [name for name in dict.fromkeys([*leaders, *others]) if name not in chance]
    return [*shown[: MOST - len(chance)], *chance]


def at_levels(rows: pandas.DataFrame, recovery: str) -> pandas.DataFrame:
    """The differences at equal levels of one recovery, without those of the dense networks."""
    return rows[(rows["recovery"] == recovery) & (rows["equal"] == "level") & (rows["level"] > 0)]


def without_controls(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Rows without the controls, which stand in the table of all differences only."""
    return rows[rows["family"] != criterion_families.CONTROLS]


def cells(two: Two, row: Mapping[str, Any]) -> list[str]:
    """The texts of a row of differences: accuracies, difference, and multiply-adds, with a ≠ where these are unlike."""
    mark = " ≠" if unlike(two, row["macs_a"], row["macs_b"]) else ""
    return [*_three(gap_of(row)), short(row["macs_a"]), short(row["macs_b"]) + mark]


def unlike(two: Two, first: float, second: float) -> bool:
    """Tell whether two counts of multiply-adds are no equal price."""
    return abs(first - second) > UNLIKE * max(map(two_studies.dense_macs, two[:2]))


def gap_of(row: Mapping[str, Any]) -> Gap:
    """The Gap of a row of `two_studies.differences`."""
    same = row["ahead"] == EQUAL
    return Gap(row["accuracy_a"], row["accuracy_b"], row["difference"], row["low"], row["high"], same)
