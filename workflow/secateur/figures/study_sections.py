"""Sections of a study's page behind its answer, each from its tables; a section without data is empty."""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from secateur.analysis import answer as answers
from secateur.analysis import averages, paired_tests, wording
from secateur.artifacts import evaluation_table, tables
from secateur.figures import page_parts, study_answer, study_curves, study_exports
from secateur.study import kinds, vocabulary

if TYPE_CHECKING:
    import pandas

    from secateur.analysis.answer import Chosen
    from secateur.figures.page_parts import Study

# A mixed list and its delta.
DELTA = re.compile(r"(.+)\.(\d+\.\d+)")
OF_DELTAS = (
    "Of two rankings mixed, the columns are delta: 0.0 is the ranking by weights alone, 1.0 that by the reading alone, "
    "both by the statistic <code>{0}</code>. "
    "<code>combined</code> takes one unit of each in turn."
)
# What tells the rows of a table of means apart.
KEYS = ("criterion", "variant", "round", "sparsity", "level", "kind")
# Lines drawn in full, and criteria beside each other where it cuts.
FRONT, BESIDE = 6, 4
TITLE = "Test accuracy by the share removed, and by the cost left"
# Classes of a table; of more, half as many that lose most are shown, and half as many that lose least.
CLASSES = 20
# Accuracies that differ by less are equal: they are rounded in tables.
EVEN = 1e-6
# The most statistics or deltas that stand beside each other; more stand below each other.
ACROSS = 14
# What the data behind the figure say of each point.
COLUMNS = ("criterion", "level", "macs", "parameters", "accuracy", "accuracy_low", "accuracy_high")

METHOD_OF_PRICE = (
    "Means over networks and draws, as pruned, on test images. Multiply-adds are counted of the smaller networks. "
    "Marks without a fill are all networks, the line is the front."
)
METHOD_OF_LATENCY = " Latencies are medians of the largest batch that was timed, both networks in turns on one machine."


def _front(picked, study, of_family):
    """The criteria that are drawn in full: the leader, the representatives of other families, and chance."""
    names = [picked.leader] if picked.leader else []
    # A dict, because the leader is one of the representatives.
    known = list(filter(of_family.__contains__, dict.fromkeys([*names, *picked.of_families.values()])))
    return [*known[: FRONT - 1], "random"]


def accuracy(study: Study, picked: Chosen, rows: pandas.DataFrame, of_family: Mapping[str, str]) -> str:
    """The figure of all criteria, the table of the answer at each level, and one of every criterion at every level."""
    lines = {name: family for name, family in of_family.items() if family != "controls"}
    front = _front(picked, study, of_family)
    svg = study_curves.accuracy(rows, lines, front, picked.level, study.results.chance)
    levels = sorted(rows["level"].unique())
    table = _by_level(rows, lines, levels)
    words = TITLE, _described(rows, front, picked)
    parts = [
        page_parts.figure_of("accuracy-figure", svg, *words, _csv(rows, lines), _method(study)),
        *page_parts.at_levels(study, picked, partial(study_answer.at_level, study, picked, rows, of_family)),
        f"<details><summary>Every criterion at every level</summary>{table}</details>",
    ]
    return page_parts.section("accuracy", parts, _headline(study, picked, rows))


def _headline(study, picked, rows):
    """The result in one sentence: the leader's accuracy, or without one the span of all families' representatives."""
    chance = page_parts.at(rows, "random", picked.level)
    names = [picked.leader] if picked.leader else list(picked.of_families.values())
    found = rows[rows["criterion"].isin(names) & ((rows["level"] - picked.level).abs() < 1e-9)]["accuracy"]
    if found.empty or chance is None:
        return ""
    who = page_parts.name_of(names[0]) if len(names) == 1 else "one criterion of each family"
    low, high = f"{100 * found.min():.1f}", f"{100 * found.max():.1f}"
    share = low if low == high else f"{low} to {high}"
    return (
        f"With {wording.percent(picked.level)} of the {study.removed} removed, {who} keeps {share} % and chance "
        f"{100 * chance['accuracy']:.1f} % of the test images right; the dense network "
        f"{100 * study.results.dense():.1f} %."
    )


def _described(rows, front, picked):
    """The figure in words, with numbers."""
    parts = []
    for name in front:
        row = page_parts.at(rows, name, picked.level)
        if row is not None:
            parts.append(f"{name} {100 * row['accuracy']:.1f} %")
    return (
        f"{TITLE}. At the dashed line, {wording.percent(picked.level)}: {', '.join(parts)}. The dotted line is a guess."
    )


def _method(study):
    single = len(study.results.seeds) == 1
    over = "the test images of the one network" if single else "the trained networks"
    return (
        f"Means over networks, of which there are {len(study.results.seeds)}; draws are averaged first. Bands are the "
        f"intervals of the change against the dense network, over {over} "
        f"({100 * study.config['figures']['confidence']:g} %). Lines in full: the most accurate criterion of "
        "each family on the images that choose, if some did, and chance; the others are faded. All networks are as "
        "pruned, without recovery."
    )


def _csv(rows, lines):
    return rows[rows["criterion"].isin(list(lines))][list(COLUMNS)].round(5).to_csv(index=False, lineterminator="\n")


def _by_level(rows, lines, levels):
    cells = []
    for name, family in lines.items():
        own = rows[rows["criterion"] == name].set_index("level")
        if own.empty:
            continue
        texts = []
        for level in levels:
            texts.append(_cell(own.loc[level]) if level in own.index else "")
        cells.append(page_parts.row_of(name, [page_parts.name_of(name), *texts], family))
    return page_parts.table_of(["criterion", *map(wording.percent, levels)], cells)


def _cell(row):
    return f"{100 * row['accuracy']:.1f}{wording.dagger(row['collapsed'])}"


def price(study: Study, rows: pandas.DataFrame, of_family: Mapping[str, str]) -> str:
    """The points that no other beats, on the images that choose where there are some, with their test accuracy."""
    split = study.config["evaluation"]["choose_on"]
    known = [name for name, family in of_family.items() if family not in ("random", "controls")]
    points = rows[rows["criterion"].isin(known)].copy()
    column, how = "accuracy", "found on the test images themselves, so it describes and does not choose"
    if split:
        means = _means(study, split, ["accuracy"])["accuracy"].to_dict()
        keys = zip(points["criterion"], points["level"].round(9), strict=True)
        points["choosing"] = list(map(means.get, keys))
        points = points.dropna(subset=["choosing"])
        column, how = "choosing", f"found on the {split} images; the test accuracy is reported"
    front = answers.front(points, "macs", column)
    dense = page_parts.dense_of(rows)
    cells = []
    # Networks at chance are cheap, and of no use; which these are, the images that choose say too.
    told = front[front[column] > study.results.chance + paired_tests.NEAR_CHANCE]
    told = front if told.empty else told
    for row in told.to_dict("records"):
        name = row["criterion"]
        shares = page_parts.shares(row, dense, 1)
        level = wording.percent(row["level"])
        if row["level"]:
            texts = [page_parts.name_of(name), level, *shares, page_parts.shown(row)]
            cells.append(page_parts.row_of(name, texts, of_family[name]))
        else:
            # Its change against itself has no interval.
            cells.append(page_parts.row_of("", ["dense network", level, *shares, f"{100 * row['accuracy']:.1f}"]))
    head = ["criterion", "removed", "multiply-adds left, %", "parameters left, %", "test accuracy, %"]
    figure = _price_figure(study, points, told, dense, of_family, column)
    note = (
        f'<p class="method">Each row is beaten by no other at its price or below: {how}. Networks at most '
        f"{100 * paired_tests.NEAR_CHANCE:g} points above a guess there are left out, and so is chance. Multiply-adds "
        "are counted.</p>"
    )
    return page_parts.section("price", [figure, note, page_parts.table_of(head, cells), study_exports.table(study)])


def _price_figure(study, points, front, dense, of_family, column):
    """All networks by what they cost: counted for every one, and timed for those that were exported."""
    measured = study_exports.points(study)
    svg = study_curves.price(points, front, dense, of_family, measured)
    words = (
        f"{_cheapest(front, column, dense)} The dense network has {100 * study.results.dense():.1f} %. Multiply-adds "
        "are counted, not timed."
    )
    method = METHOD_OF_PRICE
    if measured:
        method += METHOD_OF_LATENCY
        words += " Filled diamonds are timed: the latency of exported networks as a share of the dense network's."
    data = points[list(COLUMNS)].assign(front=points.index.isin(front.index))
    csv = data.round(5).to_csv(index=False, lineterminator="\n")
    return page_parts.figure_of("price-figure", svg, "Test accuracy by cost", words, csv, method)


def _cheapest(front, column, dense):
    """A sentence on the last row of the front that is close to its first, or on the first pruned one without such."""
    near = front[front[column] >= front[column].iloc[0] - answers.NEAR].iloc[-1]
    if near["level"]:
        return (
            f"The cheapest network of the front that is at most five points below its first, on the images by which it "
            f"was found, {_kept(near, dense)}."
        )
    text = "On the images by which the front was found, no pruned network is at most five points below the dense one"
    pruned = front[front["level"] > 0]
    return f"{text}; the nearest {_kept(pruned.iloc[0], dense)}." if len(pruned) else f"{text}."


def _kept(row, dense):
    left = 100 * row["macs"] / dense["macs"]
    return f"is by {row['criterion']} and keeps {100 * row['accuracy']:.1f} % with {left:.1f} % of the multiply-adds"


def _means(study, split, columns):
    """Means over draws, then networks, by criterion and level: as pruned, of the first floor, on a split's images."""
    rows = tables.first_floor(study.evaluations[study.evaluations["split"] == split])
    rows = rows.assign(criterion=rows["criterion"].map(vocabulary.without_draw), level=rows["level"].round(9))
    by_seed = rows.groupby(["criterion", "level", "seed"], sort=False)[columns].mean()
    return by_seed.groupby(["criterion", "level"], sort=False).mean()


def _mean(means, name, level, column):
    """One of the means; None where there is none."""
    key = (name, round(level, 9))
    value = means.at[key, column] if key in means.index else math.nan
    return None if math.isnan(value) else value


def _beside(picked):
    names = list(picked.of_families.values())
    if picked.leader in names:
        names.insert(0, names.pop(names.index(picked.leader)))
    return [*names[: BESIDE - 1], "random"]


def cuts(study: Study, picked: Chosen) -> str:
    """Channels left in each layer, at every level."""
    columns = evaluation_table.of_layers(study.evaluations)
    means, names = _means(study, "test", columns), _beside(picked)

    def table_at(level):
        rows = []
        for column in columns:
            layer = column.removeprefix(evaluation_table.OF_LAYER)
            cells = [_bar(_mean(means, name, level, column)) for name in names]
            rows.append(f"<tr><td>{page_parts.name_of(layer)}</td>{''.join(cells)}</tr>")
        table = page_parts.table_of(["layer, channels left", *names], rows)
        return f"<p><b>{_emptied(study, level, names)}</b></p>{table}"

    note = '<p class="method">Means over networks and draws.</p>'
    return page_parts.section("cuts", [note, *page_parts.at_levels(study, picked, table_at)])


def _bar(removed):
    if removed is None:
        return "<td></td>"
    left = 1 - removed
    empty = ' class="empty"' if left <= 0 else ""
    return f'<td><span class="bar"><i{empty} style="width:{100 * left:.0f}%"></i></span>{100 * left:.0f} %</td>'


def _emptied(study, level, names):
    """A sentence on the layers that are empty at a level."""
    rows = averages.on_test(study.evaluations)
    rows = rows[((rows["level"] - level).abs() < 1e-9) & rows["empty"].fillna("").ne("")]
    parts = []
    for name in names:
        own = rows[rows["criterion"].map(vocabulary.without_draw) == name]
        layers = sorted(set(" ".join(own["empty"]).split()))
        if layers:
            emptied = wording.joined(map(page_parts.name_of, layers))
            parts.append(f"{page_parts.name_of(name)} empties {emptied} in some network or draw")
    share = wording.percent(level)
    if not parts:
        return f"At {share}, none of these criteria leaves a layer without channels."
    return f"At {share}, {'; '.join(parts)}."


def by_class(study: Study, picked: Chosen) -> str:
    """Accuracy on each class, at every level; of many classes those that lose most and least, and all in a fold."""
    columns = evaluation_table.of_classes(study.evaluations)
    means, names = _means(study, "test", columns), _beside(picked)
    # Level 0 of every criterion is the dense network.
    dense = next(name for name, level in means.index if level == 0)

    def table_of(level, shown):
        rows = []
        for column in shown:
            values = [_mean(means, dense, 0.0, column), *(_mean(means, name, level, column) for name in names)]
            label = html.escape(column.removeprefix(evaluation_table.OF_CLASS))
            # A name from the right to the left leaves what stands beside it in its place.
            rows.append(page_parts.row_of("", [f"<bdi>{label}</bdi>", *map(_percent, values)]))
        return page_parts.table_of(["class, test accuracy in %", "dense network", *names], rows)

    def table_at(level):
        lost = _lost(means, dense, names[0], level)
        if len(columns) <= CLASSES:
            return _most_lost(means, dense, names[0], lost) + table_of(level, columns)
        if lost.empty:
            return f"<p>No class has an accuracy by {page_parts.name_of(names[0])} here.</p>"
        text = table_of(level, [*lost.index[: CLASSES // 2], *lost.index[CLASSES // 2 :][-CLASSES // 2 :]])
        if abs(level - picked.level) < 1e-9:
            text += f"<details><summary>All {len(columns):,} classes</summary>{table_of(level, columns)}</details>"
        return text

    return page_parts.section("classes", page_parts.at_levels(study, picked, table_at), _of_many(columns, names[0]))


def _lost(means, dense, name, level):
    """Losses of classes by a criterion, the largest first; without classes of which one of both is not known."""
    if (name, round(level, 9)) not in means.index:
        return means.iloc[0, :0]
    lost = means.loc[(dense, 0.0)] - means.loc[(name, round(level, 9))]
    return lost.dropna().sort_values(ascending=False, kind="stable")


def _most_lost(means, dense, name, lost):
    """A sentence on the class that a criterion loses most of; `lost` are its losses, the largest first."""
    if lost.empty:
        return ""
    code, largest = page_parts.name_of(name), lost.iloc[0]
    if largest <= EVEN:
        return f"<p><b>{code} loses nothing on any class.</b></p>"
    before = means.at[(dense, 0.0), lost.index[0]]
    label = html.escape(lost.index[0].removeprefix(evaluation_table.OF_CLASS))
    told = f"from {100 * before:.1f} to {100 * (before - largest):.1f} %"
    alike = int((lost >= largest - EVEN).sum()) - 1
    others = f", and as much on {alike} other{'s' * (alike > 1)}" if alike else ""
    return f"<p><b>{code} loses most on class <bdi>{label}</bdi>: {told}{others}.</b></p>"


def _of_many(columns, name):
    """A headline on which classes are shown, where not all are."""
    if len(columns) <= CLASSES:
        return ""
    half = CLASSES // 2
    return f"The {half} classes that lose most by {page_parts.name_of(name)}, and the {half} that lose least."


def _percent(value):
    return "" if value is None else f"{100 * value:.1f}"


def statistics(study: Study, picked: Chosen, rows: pandas.DataFrame, of_family: Mapping[str, str]) -> str:
    """Readings and weights by statistic, and mixed lists by delta, at every level; nothing where there is one each."""
    grids = [_grid(of_family, families) for families in (("relevance", "weights"), ("mixed",))]
    wide = [grid for grid in grids if max(map(len, grid.values()), default=0) > 1]
    if not wide:
        return ""

    def table_at(level):
        text = ""
        for grid in wide:
            ends = list(dict.fromkeys(itertools.chain.from_iterable(grid.values())))
            # Neither a window nor a sheet is so wide as a study may have deltas.
            across, down = (ends, list(grid)) if len(ends) <= ACROSS else (list(grid), ends)
            lines = [_grid_row(rows, _named(grid, first, across), first, level) for first in down]
            text += page_parts.table_of(["test accuracy in %", *across], lines)
        return text

    parts = page_parts.at_levels(study, picked, table_at)
    if "mixed" in of_family.values():
        parts.insert(0, f'<p class="method">{OF_DELTAS.format(study.statistic)}</p>')
    return page_parts.section("statistics", parts)


def _grid(of_family, families):
    """{what stands before the last part of a criterion's name: {that part: the criterion}} of some families."""
    grid = {}
    for name, family in of_family.items():
        if family not in families or "." not in name:
            continue
        # A delta is a number with a point.
        mixed = DELTA.fullmatch(name) if family == "mixed" else None
        source, end = (mixed[1], mixed[2]) if mixed else name.rpartition(".")[::2]
        grid.setdefault(source, {})[end] = name
    return grid


def _named(grid, first, across):
    """The criteria of a row, None where there is none; a row is a source, or where these stand across an end."""
    for other in across:
        yield grid[first].get(other) if first in grid else grid[other].get(first)


def _grid_row(rows, names, first, level):
    texts = []
    for name in names:
        row = page_parts.at(rows, name, level) if name else None
        texts.append(_cell(row) if row else "")
    return page_parts.row_of("", [page_parts.name_of(first), *texts])


def means(name: str, table: pandas.DataFrame) -> str:
    """A section of the means of a table: what was trained, and its test accuracy with its interval."""
    keys = [column for column in KEYS if column in table]
    rows = []
    for row in table.to_dict("records"):
        cells = [html.escape(f"{row[key]:g}" if isinstance(row[key], float) else str(row[key])) for key in keys]
        accuracy = page_parts.shown(row) if row["accuracy"] == row["accuracy"] else "not retrained †"
        rows.append(page_parts.row_of("", [*cells, accuracy]))
    return page_parts.section(name, [page_parts.table_of([*keys, "test accuracy, %"], rows)])


def recovery(study: Study, picked: Chosen, of_family: Mapping[str, str]) -> str:
    """Accuracy by recovery; nothing for a study without any."""
    names = list(study.curves["recovery"].unique())
    if len(names) < 2:
        return ""
    by_recovery = {name: tables.first_floor(study.curves, name) for name in names}
    criteria = [*picked.of_families.values(), "random"]

    def table_at(level):
        rows = []
        for criterion in criteria:
            texts = []
            for name in names:
                cell = page_parts.at(by_recovery[name], criterion, level)
                texts.append(page_parts.shown(cell) if cell else "")
            rows.append(page_parts.row_of(criterion, [page_parts.name_of(criterion), *texts], of_family[criterion]))
        return page_parts.table_of(
            ["criterion, test accuracy in %", *(kinds.KINDS[name].label for name in names)], rows
        )

    return page_parts.section("recovery", page_parts.at_levels(study, picked, table_at))
