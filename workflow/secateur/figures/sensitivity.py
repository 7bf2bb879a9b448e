"""A figure of sensitivity: accuracy without units of one group of layers, all others whole."""

from __future__ import annotations

import pandas
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.analysis import sensitivity
from secateur.figures import appearance

SIZE = (9.5, 4.8)


def of_criterion(table: pandas.DataFrame, name: str, network: str) -> Figure:
    """The figure of one criterion from the tables of `analysis.sensitivity.read`; `network` is for the title."""
    title = f"What each group of layers can lose: {network}, {name}"
    return curves(table[table["group"] != sensitivity.WHOLE], sensitivity.accuracy_of_whole(table), title)


def curves(table: pandas.DataFrame, whole: float, title: str) -> Figure:
    """A line for each group, dark for the first ones: mean accuracy over seeds against the share of its units removed.

    `table` has the columns group, share and accuracy, in the order of the network; `whole` is the accuracy of the
    network with all units, after the same recovery.
    """
    groups = list(dict.fromkeys(table["group"]))
    colours = seaborn.color_palette("viridis", len(groups))
    with appearance.themed("whitegrid", 0.85, figsize=SIZE) as figure:
        axes = figure.subplots()
        for group, colour in zip(groups, colours, strict=True):
            means = table[table["group"] == group].groupby("share")["accuracy"].mean()
            axes.plot([0, *means.index], [whole, *means], color=colour, marker=".", linewidth=1.2, label=group)
        _dressed(axes, whole, title)
        figure.legend(loc="outside right center", frameon=False, fontsize=7, ncols=1 + len(groups) // 26)
    return figure


def _dressed(axes: Axes, whole, title):
    axes.axhline(whole, color="black", linestyle="--", linewidth=1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(title=title, xlabel="units of the group removed", ylabel="accuracy", xlim=(0, 1))
