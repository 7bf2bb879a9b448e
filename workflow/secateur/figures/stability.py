"""A figure of how many images a ranking needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import seaborn
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

if TYPE_CHECKING:
    import pandas


def stability(curves: pandas.DataFrame, until: Mapping[str, float], title: str) -> Figure:
    """How alike two halves of the images rank the channels, by number of images: a line for each reading.

    `curves` is a long table reading, seed, images, spearman; `until` is {reading: the agreement that ends it}.
    """
    seaborn.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    figure, axes = pyplot.subplots(figsize=(8, 4.8), layout="constrained")
    # Equal rankings would lie at infinity on the axis below.
    curves = curves.assign(spearman=curves["spearman"].clip(1e-3, 1 - 1e-6))
    colours = seaborn.color_palette("colorblind", curves["reading"].nunique()).as_hex()
    for colour, (reading, part) in zip(colours, curves.groupby("reading", sort=False), strict=True):
        mean = part.groupby("images")["spearman"].mean()
        axes.plot(mean.index, mean, color=colour, linewidth=2, marker="o", markersize=4, label=reading, zorder=3)
        for _, one in part.groupby("seed"):
            axes.plot(one["images"], one["spearman"], color=colour, linewidth=0.6, alpha=0.6, zorder=2)
        if reading in until:
            axes.axhline(until[reading], color=colour, linestyle=":", zorder=1)
    # The last steps to 1 matter, and would be one line on an even axis.
    axes.set_yscale("logit")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xscale("log")
    shown = sorted(set(curves["images"]))
    axes.set_xticks(shown, [str(number) for number in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="images read, in two halves", ylabel="Spearman correlation of the halves' rankings", title=title)
    axes.legend(frameon=False)
    return figure
