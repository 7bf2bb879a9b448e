"""The page of two studies side by side: which is better first, then what differs, and every difference."""

from __future__ import annotations

import html
import itertools
from typing import TYPE_CHECKING

from secateur.analysis import two_studies, wording
from secateur.figures import compared_answer, compared_curves, html_tables, page_parts, study_page
from secateur.study import kinds, vocabulary

if TYPE_CHECKING:
    import pandas

    from secateur.analysis.two_studies import Two
    from secateur.figures.compared_answer import Picked

QUESTION = "Two studies of the same test images side by side: which is better, by how much, and can it be told?"
# Names and places, which are no difference of what was done.
OWN = ("study", "question", "results")
HEAD = ("criterion", "A, %", "B, %", "B minus A, points", "multiply-adds left, A", "B")


def written(two: Two, chosen: Picked, style: str, script: str) -> str:
    """The page as HTML; Refused where it is too large to be shown."""
    names = [study.settings["study"] for study in two[:2]]
    parts = {
        "answer": compared_answer.answer(two, chosen),
        "differs": _differs(two),
        "accuracy": _accuracy(two, chosen),
        "levels": _levels(two, chosen),
        "cost": _cost(two, chosen),
        "recovery": _recovery(two, chosen),
        "others": _others(two),
        "again": _again(two),
    }
    title = f"{' and '.join(names)}: two studies of channel pruning"
    heads = page_parts.Heads(title, f"A: {names[0]}, B: {names[1]}", QUESTION, style, script)
    return study_page.whole(heads, {name: text for name, text in parts.items() if text})


# ---- what differs --------------------------------------------------------------------------------------------


def _differs(two):
    """The settings that differ, and only these, with the sizes of the dense networks where they do."""
    rows = [*_sizes(two), *_changed(two.a.settings, two.b.settings, OWN)]
    if not rows:
        return page_parts.section("differs", [], "No setting differs.")
    count = len(rows)
    headline = f"{count} thing{'s' * (count > 1)} differ{'s' * (count == 1)}; everything else is the same setting."
    return page_parts.section("differs", [_table_of_texts(["setting", "A", "B"], rows)], headline)


def _changed(first, second, without=()):
    """(name, in A, in B) of nested settings that are not the same."""
    flat = html_tables.flat(dict(first)), html_tables.flat(dict(second))
    for name in dict.fromkeys([*flat[0], *flat[1]]):
        values = [_value(part, name) for part in flat]
        if name not in without and values[0] != values[1]:
            yield (name, *values)


def _value(flat, name):
    if name not in flat:
        return "none"
    value = flat[name]
    return (", ".join(map(_word, value)) or "none") if isinstance(value, list) else str(value)


def _word(value):
    """An item of a list, as a study's file would have it."""
    if not isinstance(value, dict):
        return str(value)
    return f"{{{', '.join(map('{}: {}'.format, value.keys(), value.values()))}}}"


def _sizes(two):
    """A row on the multiply-adds of the dense networks, where they differ."""
    sizes = [f"{two_studies.dense_macs(study):.0f}" for study in two[:2]]
    if sizes[0] != sizes[1]:
        yield ("multiply-adds of the dense network", *sizes)


def _table_of_texts(head, rows):
    cells = []
    for name, *texts in rows:
        cells.append([page_parts.name_of(name), *map(html.escape, texts)])
    table = html_tables.of_cells(map(html.escape, head), cells, ' class="text"')
    marked = table.replace("<table>", '<table class="texts">')
    return f'<div class="scroll">{marked}</div>'


# ---- accuracies and differences ------------------------------------------------------------------------------


def _accuracy(two, chosen):
    rows = _pruned(chosen.rows)
    shown = compared_answer.front(two, chosen)
    lines = {name: two.families[name] for name in shown}
    marks = {letter: point.level for letter, point in zip("AB", chosen[:2], strict=True) if point.leader}
    svg = compared_curves.accuracies(two, lines, marks)
    caption = f"Test accuracy of {wording.joined(shown)} in both studies; B with hollow markers and thin lines."
    method = (
        "Means over networks; draws are averaged first. All networks are as pruned, without recovery. Multiply-adds "
        "are in percent of the larger dense network. Thin upright lines: the levels that the studies chose."
    )
    smaller = min(map(two_studies.dense_macs, two[:2]))
    drawn = compared_answer.without_controls(rows)
    difference = compared_curves.differences(drawn, two.a.budget, shown, smaller)
    described = (
        f"B's accuracy minus A's: {_described(rows, shown, chosen.level)}. On the right at equal multiply-adds, in "
        "percent of the smaller dense network. A line above zero: B is ahead."
    )
    own = _csv(rows[rows["criterion"].isin(shown)])
    words = "B's test accuracy minus A's", described
    parts = [
        page_parts.figure_of("accuracy-figure", svg, "Test accuracy of both studies", caption, own, method),
        page_parts.figure_of("difference-figure", difference, *words, _csv(chosen.rows), _method(two)),
    ]
    return page_parts.section("accuracy", parts)


def _pruned(rows):
    return rows[(rows["recovery"] == kinds.NONE.name) & (rows["criterion"] != two_studies.DENSE)]


def _described(rows, front, level):
    parts = []
    for name in front:
        row = page_parts.at(rows, name, level)
        if row:
            parts.append(f"{name} {100 * row['difference']:+z.1f}")
    return f"at {wording.percent(level)}, in points, {', '.join(parts)}" if parts else "by level"


def _csv(rows: pandas.DataFrame) -> str:
    return rows.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _method(two):
    by_pairing = {
        two_studies.IMAGES: (
            "The same test images were answered by one network of each study, so that differences are paired by image: "
            "a bootstrap over images, or where a criterion is drawn, Student's over the draws of each side, widened by "
            "what images add. Draws of the two studies are taken as independent. Another training may differ by more."
        ),
        two_studies.SEEDS: (
            f"Student's distribution over {len(two.a.results.seeds)} differences, one for each training seed, draws "
            "averaged first. The dense networks of an equal seed start from equal weights."
        ),
        two_studies.APART: (
            "The trainings of the two studies are no pairs: Student's distribution with an error of each study's mean "
            "over its trainings, which add up. Of one training there is no error, so that there is no interval."
        ),
    }
    return (
        f"{by_pairing[two.pairing]} Intervals of {100 * two.confidence:g} %, each for itself. Between levels, accuracy "
        "is read on the straight line over multiply-adds, of every network and draw by itself; beyond the levels of "
        "any of them there is no point."
    )


def _at_each(two, rows, chosen):
    """A fold for each level, that of the answer open, with a table of its differences."""
    return [page_parts.level_fold(level, chosen.level, "", _table(two, own)) for level, own in rows.groupby("level")]


def _table(two, rows):
    cells = []
    for row in rows.to_dict("records"):
        texts = [page_parts.name_of(row["criterion"]), *compared_answer.cells(two, row)]
        cells.append(page_parts.row_of(row["criterion"], texts, row["family"]))
    return page_parts.table_of(HEAD, cells)


def _levels(two, chosen):
    """Every criterion that both studies have, at every level that both have."""
    rows = compared_answer.without_controls(compared_answer.at_levels(chosen.rows, kinds.NONE.name))
    return page_parts.section("levels", _at_each(two, rows, chosen), _unequal(two, rows))


def _unequal(two, rows):
    """A sentence on levels that are no equal price."""
    pairs = itertools.starmap(compared_answer.unlike, zip(itertools.repeat(two), rows["macs_a"], rows["macs_b"]))
    count = sum(pairs)
    if not two_studies.of_layers(two):
        text = (
            "The two dense networks are not the same, so that an equal level is not an equal cost"
            f" ({vocabulary.BUDGETS[two.a.budget]} of other layers)"
        )
    elif count:
        text = "The dense networks are alike, but an equal level is not everywhere an equal cost"
    else:
        return "At every level the two studies are left with equal multiply-adds, to within two percent of the dense."
    return (
        f"{text}: in {count} of {len(rows)} cells, marked ≠, what is left differs by more than two percent of the "
        "dense network's multiply-adds. The next section compares at equal ones."
    )


def _cost(two, chosen):
    """B minus A of every criterion where both have a share of the smaller dense network's multiply-adds left."""
    rows = compared_answer.without_controls(_pruned(chosen.rows))
    rows = rows[rows["equal"] == "macs"]
    if rows.empty:
        return ""
    by_cost = {f"{cost:.9g}": share for share, cost in two_studies.costs(two).items()}
    shares = [share for cost, share in by_cost.items() if cost in set(map("{:.9g}".format, rows["macs_a"]))]
    cells = []
    for (name, family), own in rows.groupby(["criterion", "family"], sort=False):
        texts = dict.fromkeys(shares, "")
        for row in own.to_dict("records"):
            found = compared_answer.gap_of(row)
            texts[by_cost[f"{row['macs_a']:.9g}"]] = (
                f"{compared_answer.points(found)}<br><small>{100 * found.a:.1f} → {100 * found.b:.1f}</small>"
            )
        cells.append(page_parts.row_of(name, [page_parts.name_of(name), *texts.values()], family))
    note = (
        '<p class="method">B minus A in points, and below it the accuracies A → B in percent, on the straight line '
        "between the two neighbouring levels. Shares are of the smaller dense network's multiply-adds; an empty cell "
        "lies beyond the levels of one of the studies.</p>"
    )
    head = ["criterion", *(f"{wording.percent(share)} left" for share in shares)]
    return page_parts.section("cost", [note, page_parts.table_of(head, cells)])


def _recovery(two, chosen):
    """The leaders, representatives and chance after every further recovery that both studies have."""
    names = [name for name in two.recoveries if name != kinds.NONE.name]
    front = compared_answer.front(two, chosen)
    parts = []
    for name in names:
        rows = compared_answer.at_levels(chosen.rows, name)
        rows = rows[rows["criterion"].isin(front)]
        parts.append(f"<h3>{html.escape(kinds.KINDS[name].label)}</h3>")
        parts += _at_each(two, rows, chosen)
    return page_parts.section("recovery", parts) if parts else ""


def _others(two):
    """Names of what only one of the studies has."""
    found = two_studies.only(two)
    if not found:
        return ""
    rows = []
    for what, (first, second) in found.items():
        rows.append([what, ", ".join(first) or "none", ", ".join(second) or "none"])
    note = '<p class="method">These are in no table of this page.</p>'
    return page_parts.section("others", [note, _table_of_texts(["", "only A has", "only B has"], rows)])


def _again(two):
    facts = {
        "this page again": f"snakemake --cores 1 compare --config compare='{{a: {two.a.folder}, b: {two.b.folder}}}'",
        "test images of both": f"{two.images}, a digest of pixels, labels and classes in their order",
    }
    for letter, study in zip("AB", two[:2], strict=True):
        facts[f"{letter}: folder"] = study.folder
        facts[f"{letter}: question"] = study.settings["question"]
        facts[f"{letter}: training seeds"] = ", ".join(map(str, study.results.seeds))
    versions = list(_changed(two.a.versions, two.b.versions))
    parts = [f'<div class="scroll">{html_tables.facts(facts)}</div>']
    if versions:
        parts.append(_table_of_texts(["versions that differ", "A", "B"], versions))
    return page_parts.section("again", parts)
