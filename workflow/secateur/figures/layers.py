"""A figure of the share of its units that each layer loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.artifacts import evaluation_table
from secateur.figures import appearance, curve_page
from secateur.study import vocabulary

if TYPE_CHECKING:
    import pandas

HEIGHT, WIDTH = 5.5, 3.1


def criteria_of(source: str, options: Mapping[str, Any]) -> list[str]:
    """The criteria of the figure of one source: its own, the weights, both in turns if the study has them, chance."""
    statistic = options["statistic"]
    names = [f"{source}.{statistic}", f"{options['weight']}.{statistic}", "random"]
    if options["combined"]:
        names.insert(2, f"combined.{source}")
    return names


def of_source(evaluations: pandas.DataFrame, source: str, options: Mapping[str, Any]) -> Figure:
    """The figure of one source, a reading or the weights, by the options of `page_options.source_figure`."""
    title = f"Removed share of each layer: {options['title']}, {curve_page.named(source, options)}"
    return layers(evaluations, {name: name for name in criteria_of(source, options)}, title)


def layers(evaluations: pandas.DataFrame, criteria: Mapping[str, str], title: str) -> Figure:
    """The share of each layer's channels that is removed, by level: one heat map for each of {criterion: label}."""
    size = (WIDTH * len(criteria) + 1, HEIGHT)
    shares = removed_shares(evaluations)
    budget = vocabulary.BUDGETS[evaluations["budget"].iloc[0]]
    with appearance.themed("white", 0.75, figsize=size) as figure:
        axes = figure.subplots(1, len(criteria), sharey=True, squeeze=False)[0]
        for panel, criterion in zip(axes, criteria, strict=True):
            _heatmap(panel, shares[shares["criterion"] == criterion], legend=panel is axes[-1])
            panel.set(title=criteria[criterion], xlabel=f"{budget} removed (%)", ylabel="")
        figure.suptitle(title)
    return figure


def _heatmap(panel: Axes, shares, legend):
    """One criterion: layers from the first to the last, levels from left to right, means over seeds and draws."""
    means = shares.groupby(["layer", "level"], sort=False)["share"].mean().unstack()
    means.columns = [f"{100 * level:g}" for level in means.columns]
    seaborn.heatmap(
        means,
        ax=panel,
        vmin=0,
        vmax=1,
        cmap="rocket_r",
        cbar=legend,
        annot=means.map(_mark),
        fmt="",
        cbar_kws={
            "format": PercentFormatter(1, decimals=0),
            "label": "share of the layer's channels removed",
        },
    )


def _mark(share):
    return "×" if share == 1 else ""


def removed_shares(evaluations: pandas.DataFrame) -> pandas.DataFrame:
    """A long table criterion, seed, level, layer, share from the columns `removed.*`; draws are one criterion."""
    removed = evaluation_table.of_layers(evaluations)
    control = evaluations["criterion"].map(vocabulary.without_draw)
    keys = ["criterion", "seed", "level"]
    long = evaluations.assign(criterion=control).melt(keys, removed, "layer", "share")
    return long.assign(layer=long["layer"].str.removeprefix(evaluation_table.OF_LAYER))
