"""Figures of tickets: accuracy by epoch and in the end for each kind of first weights, and weights left by layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from secateur.analysis import wording
from secateur.figures import appearance, lines
from secateur.study.reinitialisations import BY_NAME, ORIGINAL
from secateur.study.sparse import DENSE

if TYPE_CHECKING:
    import pandas

HEIGHT, WIDTH, LEGEND = 3.8, 4.6, 2.0
HEADINGS = {"kinds": "Tickets by what their first weights keep", "layers": "Weights left by layer and round"}


def colours(kinds: Sequence[str]) -> dict[str, str]:
    """{kind: its colour in all figures}; that of the first weights as they were is black."""
    others = [name for name in kinds if name != ORIGINAL.name]
    return {ORIGINAL.name: "#000000", **dict(zip(others, lines.distinct(len(others)), strict=True))}


@dataclasses.dataclass(frozen=True)
class Panel:
    """The networks of one ticket, which differ in their first weights alone.

    `histories` has the columns kind, epoch and validation_accuracy, `rows` kind and accuracy, and `means` beside these
    accuracy_low and accuracy_high. `names` are the kinds as they are shown, {kind of study/reinitialisations.py: name}.
    """

    title: str
    names: Mapping[str, str]
    histories: pandas.DataFrame
    rows: pandas.DataFrame
    means: pandas.DataFrame


def of_study(
    means: pandas.DataFrame,
    rows: pandas.DataFrame,
    masks: pandas.DataFrame,
    histories: pandas.DataFrame,
    options: Mapping[str, Any],
) -> Figure:
    """One of HEADINGS of a study, by the options of `page_options.tickets_figure`."""
    title = f"{HEADINGS[options['figure']]}: {options['title']}"
    if options["figure"] == "layers":
        return of_layers(masks, title)
    names, panels = {kind: kind for kind in options["kinds"]}, []
    for place, sparsity in options["levels"].items():
        parts = [part[part["round"] == int(place)] for part in (histories, rows, means)]
        panels.append(Panel(f"{wording.percent(sparsity)} zeros", names, *parts))
    return of_kinds(panels, means.loc[means["kind"] == DENSE, "accuracy"].iloc[0], title)


def of_kinds(panels: Sequence[Panel], dense: float, title: str) -> Figure:
    """Validation accuracy by epoch, and test accuracy in the end beside the dense network's, for every Panel.

    Lines are means over seeds, dashed where signs are lost.
    """
    kinds = list(dict.fromkeys(kind for panel in panels for kind in panel.names))
    with appearance.themed(figsize=(2 * WIDTH + LEGEND, HEIGHT * len(panels) + 0.5)) as figure:
        axes = figure.subplots(len(panels), 2, squeeze=False)
        for (by_epoch, final), panel in zip(axes, panels, strict=True):
            _draw_epochs(by_epoch, panel, colours(kinds))
            by_epoch.set_title(f"{panel.title}, by epoch")
            by_epoch.set_ylabel("validation accuracy")
            _draw_final(final, panel, colours(kinds))
            final.axvline(dense, color="0.3", linewidth=0.9, linestyle=":", zorder=0, label="dense")
            final.set_title(f"{panel.title}, in the end")
        axes[-1, 0].set_xlabel("epoch")
        axes[-1, 1].set_xlabel("test accuracy")
        entries = {}
        for axis in axes.flat:
            handles, labels = axis.get_legend_handles_labels()
            entries |= dict(zip(labels, handles, strict=True))
        figure.legend(entries.values(), entries.keys(), loc="outside right center", frameon=False)
        figure.suptitle(title)
    return figure


def _draw_epochs(axes: Axes, panel, coloured):
    for kind, name in panel.names.items():
        own = panel.histories[panel.histories["kind"] == kind]
        mean = own.groupby("epoch")["validation_accuracy"].mean()
        style = "-" if BY_NAME[kind].signs else "--"
        axes.plot(mean.index, mean, style, marker=".", color=coloured[kind], linewidth=1.3, label=name)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_final(axes: Axes, panel, coloured):
    """A row for each kind: the mean with its interval, and a dot for each network."""
    means = panel.means.set_index("kind")
    for row, kind in enumerate(panel.names):
        mean, single = means.loc[kind], panel.rows.loc[panel.rows["kind"] == kind, "accuracy"]
        colour = coloured[kind]
        axes.plot(single, np.full(len(single), row), ".", color=colour, markersize=4, alpha=0.5)
        axes.hlines(row, mean["accuracy_low"], mean["accuracy_high"], color=colour, linewidth=1.2)
        axes.plot(mean["accuracy"], row, "o", color=colour, markersize=6, markerfacecolor=_face(kind, colour))
    axes.set_yticks(range(len(panel.names)), list(panel.names.values()))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


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
