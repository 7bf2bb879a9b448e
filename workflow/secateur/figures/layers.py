"""A figure of the share that each layer loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import seaborn
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.study import vocabulary

if TYPE_CHECKING:
    import pandas


def layers(evaluations: pandas.DataFrame, criteria: Mapping[str, str], title: str) -> Figure:
    """The share of each layer's channels that is removed, by level: one map for each of {criterion: label}."""
    seaborn.set_theme(style="white", context="notebook", font_scale=0.75)
    figure, axes = pyplot.subplots(
        1, len(criteria), figsize=(3.1 * len(criteria) + 1, 5.5), sharey=True, layout="constrained"
    )
    shares = removed_shares(evaluations)
    for panel, (criterion, label) in zip(axes.flat, criteria.items(), strict=True):
        part = (
            shares[shares["criterion"] == criterion].groupby(["layer", "level"], sort=False)["share"].mean().unstack()
        )
        part.columns = [f"{100 * level:g}" for level in part.columns]
        marks = part.map(lambda share: "×" if share == 1 else "")
        seaborn.heatmap(
            part,
            ax=panel,
            vmin=0,
            vmax=1,
            cmap="rocket_r",
            cbar=panel is axes.flat[-1],
            annot=marks,
            fmt="",
            cbar_kws={
                "format": PercentFormatter(1, decimals=0),
                "label": "share of the layer's channels removed",
            },
        )
        panel.set(title=label, xlabel=f"{vocabulary.BUDGETS[evaluations['budget'].iloc[0]]} removed (%)", ylabel="")
    figure.suptitle(title)
    return figure


def removed_shares(evaluations: pandas.DataFrame) -> pandas.DataFrame:
    """A long table criterion, seed, level, layer, share from the columns `removed.*`; draws are one criterion."""
    columns = [column for column in evaluations if column.startswith("removed.")]
    own = evaluations["criterion"].map(vocabulary.without_draw)
    long = evaluations.assign(criterion=own).melt(["criterion", "seed", "level"], columns, "layer", "share")
    return long.assign(layer=long["layer"].str.removeprefix("removed."))
