"""Figures of accuracy and loss by level and by cost, a curve for each criterion."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.artifacts import evaluation_table
from secateur.figures import appearance
from secateur.study import levels, vocabulary

if TYPE_CHECKING:
    import pandas

# With more lines than this, single seeds would hide what they belong to.
MOST_SINGLE = 6
# How much of the background all bands together may hide where they overlap; one alone is never
# darker than the second number.
BANDS, BAND = 0.8, 0.13
SIZE = (11.5, 8)
RING = "its widths are met"
# Of a figure of recoveries: the width of a column of panels, and of the legend beside them.
COLUMN, LEGEND = 4.6, 2.3


@dataclasses.dataclass(frozen=True)
class _Panel:
    """One panel: a measure against a column of the tables, in units of `scale`."""

    axes: Axes
    measure: str
    against: str
    scale: float

    def sorted(self, table):
        """A table by level, with the panel's horizontal axis as `x`."""
        return table.sort_values("level").assign(x=table[self.against] * self.scale)


def curves(
    curves: pandas.DataFrame,
    evaluations: pandas.DataFrame,
    lines: Mapping[str, tuple[str, str]],
    title: str,
    rings: Mapping[str, float] | None = None,
) -> Figure:
    """Accuracy and loss against the level and against the multiply-adds that are left: four panels.

    Where levels are shares of multiply-adds, the parameters that are left stand beside them.

    `lines` is {criterion: (label, colour)}. Every line has a band, the intervals of the table, paler where there are
    many; thin lines are single seeds, of few lines only, and the random control is always drawn. Floors of `curves`
    beyond its first are drawn in dashes, without bands. `rings` is {criterion: level} of a ring on its line.
    """
    budget = curves["budget"].iloc[0]
    styles = _styles(lines)
    single = None
    if len(lines) <= MOST_SINGLE and evaluations["seed"].nunique() > 1:
        single = evaluations.assign(family=evaluations["criterion"].map(vocabulary.without_draw))
    with appearance.themed(figsize=SIZE) as figure:
        axes = figure.subplots(2, 2, sharex="col", sharey="row")
        for panel in _panels(axes, curves, budget):
            for criterion, style in styles.items():
                _draw(panel, curves, criterion, style, min(BAND, BANDS / len(styles)))
                if single is not None and criterion != "random":
                    _draw_single(panel, single[single["family"] == criterion], style["color"])
            for criterion, level in (rings or {}).items():
                _draw_ring(panel, curves, criterion, level, styles[criterion]["color"])
        _dress(axes, chance_of(evaluations), budget)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)
        figure.suptitle(title)
    return figure


def by_recovery(
    curves: pandas.DataFrame,
    chance: float,
    lines: Mapping[str, tuple[str, str]],
    recoveries: Mapping[str, str],
    title: str,
    rings: Mapping[str, float] | None = None,
) -> Figure:
    """Accuracy against the level, above, and against the cost that is left, below: a column for each recovery.

    `recoveries` is {recovery: label}, and `lines` {criterion: (label, colour)}; `curves` has one floor. The random
    control of each column has been treated alike. `chance` is the accuracy of guesses, `rings` as for `curves`.
    """
    budget, styles = curves["budget"].iloc[0], _styles(lines)
    shade = min(BAND, BANDS / len(styles))
    size = (COLUMN * len(recoveries) + LEGEND, SIZE[1])
    with appearance.themed(figsize=size) as figure:
        axes = figure.subplots(2, len(recoveries), sharex="row", sharey=True, squeeze=False)
        for column, name in zip(axes.T, recoveries, strict=True):
            own = curves[curves["recovery"] == name]
            for panel, criterion in itertools.product(_column(column, curves, budget), styles):
                _draw(panel, own, criterion, styles[criterion], shade)
            for panel, (criterion, level) in itertools.product(_column(column, curves, budget), (rings or {}).items()):
                _draw_ring(panel, own, criterion, level, styles[criterion]["color"])
            column[0].set_title(recoveries[name])
        _dress_columns(axes, chance, budget)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)
        figure.suptitle(title)
    return figure


def _column(axes, curves, budget):
    """The two panels of one recovery, on the scales of all."""
    cost = beside(budget)
    return _Panel(axes[0], "accuracy", "level", 1), _Panel(axes[1], "accuracy", cost, 1 / curves[cost].max())


def _dress_columns(axes, chance, budget):
    for panel in axes.flat:
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _dress_accuracy(panel, chance)
    for above, below in axes.T:
        above.set_xlabel(f"{vocabulary.BUDGETS[budget]} removed")
        below.set_xlabel(f"{vocabulary.BUDGETS[beside(budget)]} left")
    for panel in axes[:, 0]:
        panel.set_ylabel("test accuracy")
    axes[1, 0].invert_xaxis()


def _styles(lines) -> dict[str, dict[str, Any]]:
    styles = {"random": appearance.RANDOM}
    for criterion, line in lines.items():
        label, colour = line
        styles[criterion] = {"color": colour, "label": label}
    return styles


def _panels(axes, curves, budget):
    """Accuracy above loss; by level on the left, by cost as a share of the dense network's on the right."""
    cost = beside(budget)
    share = 1 / curves[cost].max()
    for row, measure in enumerate(("accuracy", "loss")):
        yield _Panel(axes[row, 0], measure, "level", 1)
        yield _Panel(axes[row, 1], measure, cost, share)


def _draw(panel, curves, criterion, style, shade):
    """One criterion: the first floor as a line with its band, every further floor dotted."""
    own = curves[curves["criterion"] == criterion]
    for place, floor in enumerate(curves["keep_at_least"].unique()):
        mean = panel.sorted(own[own["keep_at_least"] == floor])
        if place == 0:
            _draw_line(panel, mean, style, shade)
        else:
            label = f"{style['label']}, {levels.in_words(floor)} kept"
            _draw_line(panel, mean, style | {"linestyle": (0, (1, 1)), "label": label})


def _draw_line(panel, mean, style, shade=0):
    """One line, with a band so dark where the table has intervals of it, and crosses where a layer is empty."""
    axes, measure = panel.axes, panel.measure
    axes.plot(mean["x"], mean[measure], linewidth=2, zorder=3, **style)
    low, high = mean[f"{measure}_low"], mean[f"{measure}_high"]
    if shade and low.notna().all():
        axes.fill_between(mean["x"], low, high, color=style["color"], alpha=shade, linewidth=0, zorder=1)
    collapsed = mean[mean["collapsed"] > 0]
    axes.plot(collapsed["x"], collapsed[measure], "x", color=style["color"], markersize=6, zorder=4)


def _draw_ring(panel, curves, criterion, level, colour):
    """A ring around a criterion's first floor at one level."""
    own = curves[(curves["criterion"] == criterion) & (curves["level"] == level)].head(1)
    point = panel.sorted(own)
    # Only one of them stands in the legend.
    label = RING if RING not in panel.axes.get_legend_handles_labels()[1] else "_"
    style = {"color": colour, "fillstyle": "none", "markersize": 11, "markeredgewidth": 1.5, "linestyle": ""}
    panel.axes.plot(point["x"], point[panel.measure], "o", label=label, zorder=5, **style)


def _draw_single(panel, evaluations, colour):
    """A thin line for each seed and draw."""
    for _, network in evaluations.groupby(["seed", "criterion"]):
        line = panel.sorted(network)
        panel.axes.plot(line["x"], line[panel.measure], color=colour, linewidth=0.6, alpha=0.6, zorder=2)


def beside(budget: str) -> str:
    """The cost that a level does not state: multiply-adds, or parameters where levels are shares of multiply-adds."""
    return "parameters" if budget == "macs" else "macs"


def _dress(axes, chance, budget):
    axes[0, 0].set_ylabel("test accuracy")
    axes[1, 0].set_ylabel("test loss (nats)")
    axes[1, 0].set_xlabel(f"{vocabulary.BUDGETS[budget]} removed")
    axes[1, 1].set_xlabel(f"{vocabulary.BUDGETS[beside(budget)]} left")
    for panel in axes.flat:
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for panel in axes[0]:
        _dress_accuracy(panel, chance)
    for panel in axes[1]:
        panel.set_ylim(0, None)
    axes[0, 1].invert_xaxis()


def _dress_accuracy(panel, chance):
    panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.axhline(chance, color="0.7", linewidth=0.8, linestyle=":", zorder=0)
    panel.set_ylim(0, 1.02)


def chance_of(evaluations: pandas.DataFrame) -> float:
    """The accuracy of guesses among the classes of a table of evaluations."""
    return 1 / len(evaluation_table.of_classes(evaluations))
