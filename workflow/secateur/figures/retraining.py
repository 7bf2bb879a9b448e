"""A figure of test accuracy by kind of retraining."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.figures import appearance
from secateur.study import vocabulary
from secateur.study.kinds import KINDS

if TYPE_CHECKING:
    import pandas


def of_study(means: pandas.DataFrame, rows: pandas.DataFrame, options: Mapping[str, Any]) -> Figure:
    """The figure of a study, by the options of `page_options.retraining_tables`."""
    criteria = dict.fromkeys(vocabulary.without_draw(name) for name in options["levels"])
    criteria.pop("random", None)
    title = f"After retraining: {options['title']}"
    return recovery(means, rows, criteria, options["kinds"], title, options["budget"])


def recovery(
    means: pandas.DataFrame,
    rows: pandas.DataFrame,
    criteria: Iterable[str],
    kinds: Sequence[str],
    title: str,
    budget: str = "units",
) -> Figure:
    """Accuracy of every pruned network by its kind of retraining: a row for each criterion, a panel for each level.

    `means` and `rows` are the tables of `analysis/retraining.py`; the random control is the last row always. `budget`
    is what levels are shares of. Large marks are means with their intervals, dots single seeds and draws, a line joins
    the kinds that start from the same weights; the dashed line is the dense network.
    """
    shown, names = sorted(set(means["level"])), [*criteria, "random"]
    dense = rows.loc[(rows["level"] == 0), "accuracy"].mean()
    rows = rows.assign(family=rows["criterion"].map(vocabulary.without_draw))
    # The legend has a row for a few of the kinds, and takes the height that it needs.
    legend = 0.25 * math.ceil(len(kinds) / (2 * len(shown)))
    size = (4.2 * len(shown) + 2.5, 0.36 * len(names) + 1.5 + legend)
    with appearance.themed(figsize=size) as figure:
        axes = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
        for panel, level in zip(axes, shown, strict=True):
            panel.axvline(dense, color="0.3", linewidth=0.9, linestyle="--", zorder=0, label="dense")
            at_level = means[means["level"] == level], rows[rows["level"] == level]
            _draw_level(panel, *at_level, names, kinds)
            _dress(panel, f"{100 * level:g} % of the {vocabulary.BUDGETS[budget]} removed")
        axes[0].set_yticks(range(len(names)), names)
        axes[0].invert_yaxis()
        _add_legend(figure, axes[0])
        figure.suptitle(title)
    return figure


def _draw_level(panel: Axes, means, rows, names, kinds):
    for place, criterion in enumerate(names):
        mean = means[means["criterion"] == criterion].set_index("kind")
        for start in ("dense", "learned"):
            same = [kind for kind in kinds if kind in mean.index and KINDS[kind].start == start]
            panel.plot(mean.loc[same, "accuracy"], [place] * len(same), color="0.75", linewidth=1.2, zorder=1)
        own = rows[rows["family"] == criterion]
        for kind in kinds:
            _mark(panel, place, kind, mean, own[own["kind"] == kind]["accuracy"])


def _dress(panel, title):
    panel.set_title(title)
    panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.set_xlabel("test accuracy")
    panel.grid(axis="y", linewidth=0.4)


def _add_legend(figure, panel):
    """One legend for all panels, each label once."""
    handles, labels = panel.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    # Two labels are as wide as a panel.
    columns = min(len(entries), 2 * len(figure.axes))
    place = {"loc": "outside lower center", "ncols": columns, "columnspacing": 1.2}
    figure.legend(entries.values(), entries.keys(), frameon=False, **place)


def _mark(axes, place, kind, mean, own):
    """One kind of one criterion: its mean, its interval, and each of its networks where there are several."""
    colour = KINDS[kind].colour
    if len(own) > 1:
        axes.plot(own, [place] * len(own), ".", color=colour, markersize=3, alpha=0.7, zorder=2)
    if kind not in mean.index or mean.loc[kind, "accuracy"] != mean.loc[kind, "accuracy"]:
        return
    cell = mean.loc[kind]
    if cell["accuracy_low"] == cell["accuracy_low"]:
        axes.hlines(place, cell["accuracy_low"], cell["accuracy_high"], color=colour, linewidth=1.4, zorder=2)
    # Open marks: no weight was trained again.
    filled = "full" if KINDS[kind].trains in ("weights", "answers", "epoch") else "none"
    style = {"color": colour, "fillstyle": filled, "markersize": 6, "linestyle": ""}
    axes.plot(cell["accuracy"], place, KINDS[kind].marker, label=KINDS[kind].label, zorder=3, **style)
    if cell["collapsed"] > 0:
        axes.plot(cell["accuracy"], place, "x", color="black", markersize=9, zorder=4)
