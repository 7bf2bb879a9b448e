"""Figures of tickets: accuracy by epoch and in the end for each kind of first weights, and weights left by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from secateur.figures import appearance, lines
from secateur.study.reinitialisations import BY_NAME, ORIGINAL
from secateur.study.sparse import DENSE

if TYPE_CHECKING:
    import pandas

HEIGHT, WIDTH, LEGEND = 3.8, 4.6, 2.0


def colours(kinds: Sequence[str]) -> dict[str, str]:
    """{kind: its colour in all figures}; that of the first weights as they were is black."""
    others = [name for name in kinds if name != ORIGINAL.name]
    return {ORIGINAL.name: "#000000", **dict(zip(others, lines.distinct(len(others)), strict=True))}


def of_kinds(
    histories: pandas.DataFrame,
    means: pandas.DataFrame,
    rows: pandas.DataFrame,
    kinds: Sequence[str],
    levels: Mapping[int, float],
    title: str,
) -> Figure:
    """Validation accuracy by epoch, and test accuracy in the end: two panels for each of the `levels`, by round.

    Lines are means over seeds, dashed where signs are lost. `histories` has the columns round, kind, seed, epoch and
    validation_accuracy; `means` and `rows` are the tables of tickets.
    """
    with appearance.themed(figsize=(2 * WIDTH + LEGEND, HEIGHT * len(levels) + 0.5)) as figure:
        axes = figure.subplots(len(levels), 2, squeeze=False)
        for (by_epoch, final), (place, sparsity) in zip(axes, levels.items(), strict=True):
            _draw_epochs(by_epoch, histories[histories["round"] == place], kinds)
            by_epoch.set_title(f"{100 * sparsity:g} % zeros, by epoch")
            by_epoch.set_ylabel("validation accuracy")
            _draw_final(final, means, rows, kinds, place)
            final.set_title(f"{100 * sparsity:g} % zeros, in the end")
        axes[-1, 0].set_xlabel("epoch")
        axes[-1, 1].set_xlabel("test accuracy")
        entries = {}
        for panel in axes[0]:
            handles, labels = panel.get_legend_handles_labels()
            entries |= dict(zip(labels, handles, strict=True))
        figure.legend(entries.values(), entries.keys(), loc="outside right center", frameon=False)
        figure.suptitle(title)
    return figure


def _draw_epochs(panel: Axes, histories, kinds):
    for name, colour in colours(kinds).items():
        mean = histories[histories["kind"] == name].groupby("epoch")["validation_accuracy"].mean()
        style = "-" if BY_NAME[name].signs else "--"
        panel.plot(mean.index, mean, style, marker=".", color=colour, linewidth=1.3, label=name)
    panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_final(panel: Axes, means, rows, kinds, place):
    """A row for each kind: the mean with its interval, and a dot for each seed; the dense network is a line."""
    dense = means.loc[means["kind"] == DENSE, "accuracy"].iloc[0]
    panel.axvline(dense, color="0.3", linewidth=0.9, linestyle=":", zorder=0, label="dense")
    at_round = means[means["round"] == place].set_index("kind")
    for row, (name, colour) in enumerate((name, colours(kinds)[name]) for name in kinds):
        mean = at_round.loc[name]
        single = rows[(rows["round"] == place) & (rows["kind"] == name)]["accuracy"]
        panel.plot(single, np.full(len(single), row), ".", color=colour, markersize=4, alpha=0.5)
        panel.hlines(row, mean["accuracy_low"], mean["accuracy_high"], color=colour, linewidth=1.2)
        panel.plot(mean["accuracy"], row, "o", color=colour, markersize=6, markerfacecolor=_face(name, colour))
    panel.set_yticks(range(len(kinds)), kinds)
    panel.invert_yaxis()
    panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _face(name, colour):
    """The face of a mark: empty where signs are lost."""
    return colour if BY_NAME[name].signs else "white"


def of_layers(masks: pandas.DataFrame, title: str) -> Figure:
    """The share of each layer's weights that is left after every round, means over seeds, in the network's order."""
    layers = list(dict.fromkeys(masks["layer"]))
    width = max(WIDTH, 0.22 * len(layers))
    places = sorted(masks["round"].unique())
    shades = np.linspace(0.75, 0.0, len(places))
    with appearance.themed(figsize=(width + LEGEND, HEIGHT)) as figure:
        panel = figure.subplots()
        for place, shade in zip(places, shades, strict=True):
            at_round = masks[masks["round"] == place]
            mean = at_round.groupby("layer", sort=False)["left"].mean().reindex(layers)
            label = f"round {place}: {100 * at_round['sparsity'].iloc[0]:.4g} % zeros"
            panel.plot(range(len(layers)), mean, ".-", color=str(shade), label=label)
            panel.axhline(1 - at_round["sparsity"].iloc[0], color=str(shade), linewidth=0.7, linestyle="--", zorder=0)
        panel.set(yscale="log", ylabel="share of weights left")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.set_xticks(range(len(layers)), layers, rotation=90, fontsize="x-small")
        figure.legend(loc="outside right center", frameon=False)
        figure.suptitle(title)
    return figure
