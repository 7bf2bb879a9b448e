"""One figure of curves from the study's tables, and the page with its numbers, for all scripts that plot curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from secateur import ranking
from secateur.analysis import averages, intervals
from secateur.artifacts import evaluation_table, files, tables
from secateur.figures import appearance, html_tables
from secateur.figures import curves as figures_curves
from secateur.study import vocabulary
from secateur.study import widths as study_widths

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

MEANS = (
    *("budget", "keep_at_least", "criterion", "level", "seeds", *evaluation_table.COST),
    *("accuracy", "accuracy_low", "accuracy_high", "loss", "loss_low", "loss_high"),
    *("versus_random", "versus_random_low", "versus_random_high", "collapsed"),
)
SINGLE = ("keep_at_least", "criterion", "level", *evaluation_table.COST, "accuracy", "loss", "empty")


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A figure of curves, and the rows behind it: the means, and every seed and draw."""

    figure: Figure
    means: pandas.DataFrame
    rows: pandas.DataFrame


def drawn(
    inputs: Any,
    lines: Mapping[str, tuple[str, str]],
    title: str,
    floors: bool = False,
    widths: Mapping[str, Mapping[str, int]] | None = None,
) -> Drawn:
    """{criterion: (label, colour)} and the random control as a figure; `inputs` has Snakemake's names.

    `floors` draws every floor, the first as usual and the others dotted; without it only the first is drawn. `widths`
    is {criterion: widths of the setting} of lines with a ring at the level that meets them, for which the table of
    units is read. Networks are those that pruning left: recoveries have a figure of their own.
    """
    means = tables.of_recovery(tables.read(inputs.curves, "recovery", *MEANS))
    single = tables.of_recovery(tables.read(inputs.evaluations, "recovery", "seed", "split", "images", *SINGLE))
    first = averages.on_test(single)
    shown = means if floors else averages.on_test(means)
    note = of_test_images(int(first["images"].iloc[0]))
    found = rings(inputs, widths or {}, first["level"].unique())
    figure = figures_curves.curves(shown, first, lines, f"{title}\n{note}", found)
    return Drawn(figure, shown, single[single["split"] == "test"] if floors else first)


def curves(
    inputs: Any,
    outputs: Any,
    lines: Mapping[str, tuple[str, str]],
    title: str,
    floors: bool = False,
    widths: Mapping[str, Mapping[str, int]] | None = None,
) -> None:
    """Write the figure of `drawn` and the page of its numbers; `outputs` has Snakemake's names too."""
    picture = drawn(inputs, lines, title, floors, widths)
    with files.replacing(outputs.figure) as temporary:
        appearance.save(picture.figure, temporary)
    means = picture.means
    parts = [
        html_tables.table(of_lines(means, means["criterion"], lines)[list(MEANS)]),
        "<h2>Every seed and draw</h2>",
        html_tables.table(_single(picture.rows, lines)),
    ]
    files.write_text(outputs.page, html_tables.page(title, *parts))


def rings(inputs: Any, widths: Mapping[str, Mapping[str, int]], levels: Iterable[float]) -> dict[str, float]:
    """{criterion: the level that meets its widths}, by the table of units, which is read where there are some."""
    rings = {}
    for criterion, given in widths.items():
        counts = ranking.counts_of(tables.read(inputs.units, "unit", "layer"))
        removed = study_widths.removed(study_widths.resolved(given, counts, criterion), counts)
        rings[criterion] = study_widths.met_by(levels, removed, sum(counts.values()), criterion)
    return rings


def named(source: str, options: Mapping[str, Any]) -> str:
    """The source of a figure's rankings, for its title: a reading, or the weights."""
    return f"reading {source}" if options["reading"] else source


def of_test_images(count: int) -> str:
    """The second line of a figure's title: the spread by chance in the choice of test images."""
    low, high = intervals.wilson(0.9 * count, count)
    spread = f"{100 * low:.1f} to {100 * high:.1f} %"
    return f"{count} test images: chance among them alone leaves 90 % within {spread}"


def of_lines(rows: pandas.DataFrame, criteria: pandas.Series, lines: Iterable[str]) -> pandas.DataFrame:
    """The rows of the criteria that are drawn; `criteria` are theirs, draws as one."""
    return rows[criteria.isin([*lines, "random"])]


def _single(rows, lines):
    criteria = rows["criterion"].map(vocabulary.without_draw)
    return of_lines(rows, criteria, lines)[["seed", *SINGLE]].fillna("")
