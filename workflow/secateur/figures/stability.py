"""A figure of how many images a ranking needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import seaborn
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from secateur.figures import appearance

if TYPE_CHECKING:
    import pandas


def of_study(curves: pandas.DataFrame, options: Mapping[str, Any]) -> Figure:
    """The figure of a study, by the options of `page_options.stability_figure`."""
    until = {name: ends["stability"] for name, ends in options["until"].items() if ends}
    return stability(curves, until, f"Stability of rankings over images: {options['title']}")


def stability(curves: pandas.DataFrame, until: Mapping[str, float], title: str) -> Figure:
    """Spearman's correlation of the rankings by two halves of the images, by their count: a line for each reading.

    `curves` is a long table reading, seed, images, spearman; `until` is {reading: the agreement that ends it}.
    """
    # Equal rankings would lie at infinity on the logit axis.
    curves = curves.assign(spearman=curves["spearman"].clip(1e-3, 1 - 1e-6))
    with appearance.themed(figsize=(8, 4.8)) as figure:
        axes = figure.subplots()
        colours = seaborn.color_palette("colorblind", curves["reading"].nunique()).as_hex()
        readings = curves.groupby("reading", sort=False)
        for colour, (reading, part) in zip(colours, readings, strict=True):
            _draw_reading(axes, part, reading, colour)
            if reading in until:
                axes.axhline(until[reading], color=colour, linestyle=":", zorder=1)
        _dress(axes, sorted(set(curves["images"])))
        axes.set_title(title)
        axes.legend(frameon=False)
    return figure


def _draw_reading(axes, part, reading, colour):
    """The mean over seeds, and a thin line for each seed."""
    mean = part.groupby("images")["spearman"].mean()
    axes.plot(mean.index, mean, color=colour, linewidth=2, marker="o", markersize=4, label=reading, zorder=3)
    for _, curve in part.groupby("seed"):
        axes.plot(curve["images"], curve["spearman"], color=colour, linewidth=0.6, alpha=0.6, zorder=2)


def _dress(axes, counts):
    # The last steps to 1 matter, and would be one line on a linear axis.
    axes.set_yscale("logit")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xscale("log")
    axes.set_xticks(counts, list(map(str, counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="images read, in two halves", ylabel="Spearman correlation of the halves' rankings")
