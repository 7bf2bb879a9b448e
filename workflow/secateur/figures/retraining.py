"""A figure of what retraining gives back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import seaborn
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.study import vocabulary
from secateur.study.kinds import KINDS

if TYPE_CHECKING:
    import pandas


def recovery(
    means: pandas.DataFrame,
    rows: pandas.DataFrame,
    criteria: Iterable[str],
    kinds: Sequence[str],
    title: str,
    budget: str = "units",
) -> Figure:
    """Accuracy of every pruned network by what was done to it: a row for each criterion, a panel for each level.

    `means` and `rows` are the tables of `analysis/retraining.py`; the random control is the last row always. `budget`
    is what levels are shares of. Large marks are means with their intervals, dots single seeds and draws, a line joins
    what continues the same network; the dashed line is the dense network.
    """
    seaborn.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    shown, names_of_rows = sorted(set(means["level"])), [*criteria, "random"]
    size = (4.2 * len(shown) + 2.5, 0.36 * len(names_of_rows) + 2.1)
    figure, axes = pyplot.subplots(
        1, len(shown), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    rows = rows.assign(family=rows["criterion"].map(vocabulary.without_draw))
    for panel, level in zip(axes.flat, shown, strict=True):
        dense = rows.loc[(rows["level"] == 0), "accuracy"].mean()
        panel.axvline(dense, color="0.3", linewidth=0.9, linestyle="--", zorder=0, label="dense")
        for place, criterion in enumerate(names_of_rows):
            mean = means[(means["criterion"] == criterion) & (means["level"] == level)].set_index("kind")
            same = [kind for kind in kinds if kind in mean.index and KINDS[kind].start == "dense"]
            panel.plot(mean.loc[same, "accuracy"], [place] * len(same), color="0.75", linewidth=1.2, zorder=1)
            own = rows[(rows["family"] == criterion) & (rows["level"] == level)]
            for kind in kinds:
                _mark(panel, place, kind, mean, own[own["kind"] == kind]["accuracy"])
        panel.set_title(f"{100 * level:g} % of the {vocabulary.BUDGETS[budget]} removed")
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.set_xlabel("test accuracy")
        panel.grid(axis="y", linewidth=0.4)
    axes[0, 0].set_yticks(range(len(names_of_rows)), names_of_rows)
    axes[0, 0].invert_yaxis()
    handles = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    figure.suptitle(title)
    return figure


def _mark(axes, place, kind, mean, own):
    """One kind of one criterion: its mean, its interval, and each of its networks where there are several."""
    label, marker, colour = KINDS[kind].label, KINDS[kind].marker, KINDS[kind].colour
    # Open marks: no weight was trained again.
    fill = "full" if KINDS[kind].trains == "weights" else "none"
    if len(own) > 1:
        axes.plot(own, [place] * len(own), ".", color=colour, markersize=3, alpha=0.7, zorder=2)
    if kind not in mean.index or mean.loc[kind, "accuracy"] != mean.loc[kind, "accuracy"]:
        return
    one = mean.loc[kind]
    if one["accuracy_low"] == one["accuracy_low"]:
        axes.hlines(place, one["accuracy_low"], one["accuracy_high"], color=colour, linewidth=1.4, zorder=2)
    style = {"color": colour, "fillstyle": fill, "markersize": 6, "linestyle": ""}
    axes.plot(one["accuracy"], place, marker, label=label, zorder=3, **style)
    if one["collapsed"] > 0:
        axes.plot(one["accuracy"], place, "x", color="black", markersize=9, zorder=4)
