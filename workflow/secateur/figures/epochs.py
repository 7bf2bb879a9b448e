"""Figures of trainings by epoch: networks after pruning, and scorers by the passes that their fit cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from secateur.figures import appearance, lines
from secateur.study.kinds import KINDS

if TYPE_CHECKING:
    import pandas

HEIGHT, WIDTH, LEGEND, MOST = 3.2, 4.0, 2.6, 3


def of_study(table: pandas.DataFrame, options: Mapping[str, Any]) -> Figure:
    """The figure of a study, by the options of `page_options.epochs_figure`."""
    return after_pruning(table, options["kinds"], f"By epoch after pruning: {options['title']}")


def after_pruning(table: pandas.DataFrame, kinds: Sequence[str], title: str) -> Figure:
    """Validation accuracy by epoch after pruning: a panel for each level and criterion, a line for each kind.

    `table` is one of `analysis.epochs.rows`. Lines are means over seeds and draws, thin lines single networks.
    """
    shown = list(table.groupby(["level", "criterion"], sort=False).groups)
    columns = min(MOST, len(shown))
    count = -(-len(shown) // columns)
    with appearance.themed(figsize=(WIDTH * columns + LEGEND, HEIGHT * count + 0.5)) as figure:
        axes = list(figure.subplots(count, columns, sharey=True, squeeze=False).flat)
        for panel, (level, criterion) in zip(axes, shown, strict=False):
            own = table[(table["level"] == level) & (table["criterion"] == criterion)]
            for kind in kinds:
                _draw(panel, own[own["kind"] == kind], kind)
            panel.set_title(f"{criterion}, {100 * level:g} %")
        for panel in axes[len(shown) :]:
            panel.set_visible(False)
        _dress(figure, "epoch after pruning", "validation accuracy")
        for panel in figure.axes:
            panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.suptitle(title)
    return figure


def _draw(panel, rows, kind):
    if rows.empty:
        return
    style = KINDS[kind]
    dashed = "--" if "adam" in kind else "-"
    for _, single in rows.groupby(["seed", "draw"]):
        panel.plot(single["epoch"], single["validation_accuracy"], color=style.colour, linewidth=0.5, alpha=0.4)
    mean = rows.groupby("epoch")["validation_accuracy"].mean()
    panel.plot(
        mean.index,
        mean,
        dashed,
        marker=style.marker,
        markersize=5,
        color=style.colour,
        linewidth=1.5,
        label=style.label,
    )


def of_scorers(table: pandas.DataFrame, title: str) -> Figure:
    """Validation loss of the pruned network by the forward passes of a scorer's fit, a line for each entry.

    `table` has the columns entry, draw, seed, forwards (of one image, a backward pass as two) and validation_loss.
    """
    entries = list(dict.fromkeys(table["entry"]))
    with appearance.themed(figsize=(WIDTH * 1.6 + LEGEND, HEIGHT * 1.2)) as figure:
        panel = figure.subplots()
        for name, colour in zip(entries, lines.distinct(len(entries)), strict=True):
            own = table[table["entry"] == name]
            for _, single in own.groupby(["seed", "draw"]):
                panel.plot(single["forwards"], single["validation_loss"], color=colour, linewidth=0.5, alpha=0.4)
            mean = own.groupby("epoch")[["forwards", "validation_loss"]].mean()
            panel.plot(mean["forwards"], mean["validation_loss"], "o-", color=colour, markersize=3, label=name)
        panel.set_xscale("log")
        _dress(figure, "forward passes of one image (logarithmic)", "validation loss, nats")
        figure.suptitle(title)
    return figure


def _dress(figure, below, beside):
    entries = {}
    for panel in filter(lambda axes: axes.get_visible(), figure.axes):
        panel.set_xlabel(below)
        entries |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
        if panel.get_subplotspec().is_first_col():
            panel.set_ylabel(beside)
    figure.legend(entries.values(), entries.keys(), loc="outside right center", frameon=False)
