"""A figure of accuracy and loss by level and by cost, a curve for each criterion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import seaborn
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.figures import appearance
from secateur.study import levels, vocabulary

if TYPE_CHECKING:
    import pandas

# With more lines than this, single seeds would hide what they belong to.
MOST_SINGLE = 6
# How much of what is behind them all bands together may hide where they overlap; one alone is never darker than the
# second number.
BANDS, BAND = 0.8, 0.13


def curves(
    curves: pandas.DataFrame, evaluations: pandas.DataFrame, lines: Mapping[str, tuple[str, str]], title: str
) -> Figure:
    """Accuracy and loss against the level and against the multiply-adds that are left: four panels.

    Where levels are shares of multiply-adds, the parameters that are left stand beside them.

    `lines` is {criterion: (label, colour)}. Every line has a band, the intervals of the table, paler where there are
    many; thin lines are single seeds, of few lines only, and the random control is always drawn. Floors of `curves`
    beyond its first are drawn in dashes, without bands.
    """
    seaborn.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    figure, axes = pyplot.subplots(2, 2, figsize=(11.5, 8), sharex="col", sharey="row", layout="constrained")
    budget = curves["budget"].iloc[0]
    other = beside(budget)
    dense = curves[other].max()
    first, *others = (part for _, part in curves.groupby("keep_at_least", sort=False))
    styles = {"random": appearance.RANDOM} | {name: {"color": c, "label": label} for name, (label, c) in lines.items()}
    few, shade = len(lines) <= MOST_SINGLE, min(BAND, BANDS / len(styles))
    for row, measure in enumerate(("accuracy", "loss")):
        for column, against in enumerate(("level", other)):
            scale = 1 / dense if against == other else 1
            for criterion, style in styles.items():
                mean = _sorted(first[first["criterion"] == criterion], against, scale)
                _line(axes[row, column], mean, measure, style, shade)
                for floored in others:
                    mean = _sorted(floored[floored["criterion"] == criterion], against, scale)
                    floor = f"{style['label']}, {levels.in_words(mean['keep_at_least'].iloc[0])} kept"
                    dashed = style | {"linestyle": (0, (1, 1)), "label": floor}
                    _line(axes[row, column], mean, measure, dashed)
                if few and criterion != "random" and evaluations["seed"].nunique() > 1:
                    own = evaluations[evaluations["criterion"].map(vocabulary.without_draw) == criterion]
                    for _, one in own.groupby(["seed", "criterion"]):
                        _thin_line(axes[row, column], _sorted(one, against, scale), measure, style["color"])
    _dress(axes, _chance(evaluations), budget)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle(title)
    return figure


def _sorted(table, against, scale):
    return table.sort_values("level").assign(x=table[against] * scale)


def _line(axes, mean, measure, style, shade=0):
    """One line, with a band so dark where the table has intervals of it, and crosses where a layer is empty."""
    axes.plot(mean["x"], mean[measure], linewidth=2, zorder=3, **style)
    if shade and mean[f"{measure}_low"].notna().all():
        low, high = mean[f"{measure}_low"], mean[f"{measure}_high"]
        axes.fill_between(mean["x"], low, high, color=style["color"], alpha=shade, linewidth=0, zorder=1)
    gone = mean[mean["collapsed"] > 0]
    axes.plot(gone["x"], gone[measure], "x", color=style["color"], markersize=6, zorder=4)


def _thin_line(axes, one, measure, colour):
    axes.plot(one["x"], one[measure], color=colour, linewidth=0.6, alpha=0.6, zorder=2)


def beside(budget: str) -> str:
    """What a level does not say: the multiply-adds that are left, or the parameters where levels count these."""
    return "parameters" if budget == "macs" else "macs"


def _dress(axes, chance, budget):
    axes[0, 0].set_ylabel("test accuracy")
    axes[1, 0].set_ylabel("test loss (nats)")
    axes[1, 0].set_xlabel(f"{vocabulary.BUDGETS[budget]} removed")
    axes[1, 1].set_xlabel(f"{vocabulary.BUDGETS[beside(budget)]} left")
    for row in axes:
        for panel in row:
            panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for panel in axes[0]:
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.axhline(chance, color="0.7", linewidth=0.8, linestyle=":", zorder=0)
        panel.set_ylim(0, 1.02)
    for panel in axes[1]:
        panel.set_ylim(0, None)
    axes[0, 1].invert_xaxis()


def _chance(evaluations):
    classes = [column for column in evaluations if column.startswith("accuracy.")]
    return 1 / len(classes)
