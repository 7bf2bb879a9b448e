"""Figures of sparse networks: accuracy by level, the course of training, weights left by layer, and dropped weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from secateur.artifacts import sparsity_table
from secateur.figures import appearance, lines
from secateur.study.sparse import DENSE, REFERENCE, families

if TYPE_CHECKING:
    import pandas

# Columns of a history, with the labels of their axes.
COURSE = {
    "sparsity": "share of weights left",
    "validation_accuracy": "validation accuracy",
    "threshold": "threshold",
    "scale": "scale of gradients",
    "regrowth": "regrowth",
    "learning_rate": "learning rate",
}
HEIGHT, WIDTH, LEGEND = 3.8, 4.2, 2.2
# The most that marks of one level stand aside, and the largest step between two of them, as shares of the weights left.
ASIDE, STEP = 0.12, 0.035


def colours(variants: Mapping[str, Any]) -> dict[str, str]:
    """{variant: its colour in all figures}; Feather's is black."""
    others = [name for name in variants if name != REFERENCE]
    coloured = dict(zip(others, lines.distinct(len(others)), strict=True))
    return {name: "#000000" if name == REFERENCE else coloured[name] for name in variants}


def levels(means: pandas.DataFrame, rows: pandas.DataFrame, variants: Mapping[str, Any], title: str) -> Figure:
    """Test accuracy of each variant by its share of zeros, with intervals and single seeds, and the dense network.

    `means` and `rows` are the tables of `analysis/sparsity.py`. The horizontal axis is logarithmic in the weights left;
    with one level alone it has a place for each variant.
    """
    sparse, step = means[means["variant"] != DENSE], min(STEP, 2 * ASIDE / len(variants))
    single = sparse["level"].nunique() == 1
    with appearance.themed(figsize=(WIDTH + 2.4 + LEGEND, HEIGHT + 0.8)) as figure:
        axes = figure.subplots()
        _draw_dense(axes, means)
        for place, (name, colour) in enumerate(colours(variants).items()):
            # Marks of one level stand beside each other, where intervals would hide each other.
            aside = 1 + step * (place - (len(variants) - 1) / 2)
            own, by_seed = (table[table["variant"] == name] for table in (sparse, rows))
            places = [np.full(len(table), place) if single else _left(table) * aside for table in (own, by_seed)]
            axes.plot(places[1], by_seed["accuracy"], ".", color=colour, markersize=3, alpha=0.6, zorder=4)
            _draw_means(axes, own, places[0], name, colour)
        if single:
            _dress_variants(axes, list(colours(variants)), sparse["level"].iloc[0])
        else:
            _dress_levels(axes, sparse["level"].unique())
        axes.set_ylabel("test accuracy")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.margins(x=0.15)
        _add_legend(figure, axes)
        figure.suptitle(title)
    return figure


def _left(table):
    return 1 - table["level"]


def _draw_dense(axes, means):
    dense = means.loc[means["variant"] == DENSE, "accuracy"].iloc[0]
    axes.axhline(dense, color="0.3", linewidth=0.9, linestyle="--", zorder=0, label="dense")


def _draw_means(axes: Axes, own, places, name, colour):
    """Means joined by a line, with their intervals; a cross where a network has an empty layer."""
    axes.plot(places, own["accuracy"], "o-", color=colour, markersize=5, linewidth=1.1, label=name, zorder=3)
    axes.vlines(places, own["accuracy_low"], own["accuracy_high"], color=colour, linewidth=1.2, zorder=2)
    empty = (own["collapsed"] > 0).to_numpy()
    axes.plot(places[empty], own["accuracy"][empty], "x", color="black", markersize=9, zorder=4)


def _dress_levels(axes, shown):
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.xaxis.set_major_locator(FixedLocator([1 - level for level in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{100 * level:g} %" for level in shown])
    axes.set_xlabel("zero weights (logarithmic in the weights left)")


def _dress_variants(axes, names, level):
    axes.set_xticks(range(len(names)), names, rotation=20)
    axes.set_xlabel(f"variants, all at {100 * level:g} % zero weights")


def _add_legend(figure, *panels):
    """One legend of all panels: a variant may be in some of them alone."""
    entries = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        for label, handle in zip(labels, handles, strict=True):
            entries.setdefault(label, handle)
    figure.legend(entries.values(), entries.keys(), loc="outside right center", frameon=False)


def course(histories: pandas.DataFrame, variants: Mapping[str, Any], title: str) -> Figure:
    """Sparsity, threshold, scale, regrowth and learning rate after every epoch, means over seeds.

    `histories` has the columns variant, level, seed and those of the trainings' histories.
    """
    shown = sorted(histories["level"].unique())
    with appearance.themed(figsize=(WIDTH * 0.85 * len(shown) + LEGEND, 1.7 * len(COURSE) + 0.6)) as figure:
        axes = figure.subplots(len(COURSE), len(shown), sharex=True, squeeze=False)
        for column, level in enumerate(shown):
            at_level = histories[histories["level"] == level]
            axes[0, column].set_title(f"{100 * level:g} % zeros")
            for panel, name in zip(axes[:, column], COURSE, strict=True):
                _draw_course(panel, at_level, name, colours(variants))
            axes[-1, column].set_xlabel("epoch")
            axes[-1, column].xaxis.set_major_locator(MaxNLocator(integer=True))
        for panel, label in zip(axes[:, 0], COURSE.values(), strict=True):
            panel.set_ylabel(label)
        _add_legend(figure, *axes[0])
        figure.suptitle(title)
    return figure


def _draw_course(panel: Axes, at_level, column, coloured):
    for name, colour in coloured.items():
        own = at_level[at_level["variant"] == name].groupby("epoch")[column].mean()
        if column == "sparsity":
            # On a logarithmic axis the last percents, where variants differ, can be seen.
            own = 1 - own
        # Variants that differ in nothing here lie on each other; Feather is drawn over them, thinner.
        width = 1.2 if name == REFERENCE else 2.2
        panel.plot(own.index, own, color=colour, linewidth=width, label=name, alpha=0.9, zorder=3 - width)
    if column == "threshold":
        panel.set_ylim(bottom=0)
    if column == "sparsity":
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(PercentFormatter(1))
        panel.yaxis.set_minor_formatter(NullFormatter())


def layers(means: pandas.DataFrame, rows: pandas.DataFrame, variants: Mapping[str, Any], title: str) -> Figure:
    """The share of each layer's weights that is left: a panel for each level, layers in the order of the network.

    A cross below marks a layer that has no weight left in one network of `rows` or more.
    """
    columns, coloured = sparsity_table.of_layers(means), colours(variants)
    sparse = means[means["variant"] != DENSE]
    shown = sorted(sparse["level"].unique())
    labels = [column.removeprefix(sparsity_table.OF_LAYER).removesuffix(".weight") for column in columns]
    width = max(WIDTH, 0.2 * len(labels))
    with appearance.themed(figsize=(width + LEGEND, HEIGHT * len(shown))) as figure:
        axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for panel, level in zip(axes, shown, strict=True):
            for row in sparse[sparse["level"] == level].to_dict("records"):
                left = np.array([row[column] for column in columns])
                # A logarithmic axis has no place for a layer without weights.
                panel.plot(np.where(left > 0, left, np.nan), ".-", color=coloured[row["variant"]], label=row["variant"])
                single = rows[(rows["variant"] == row["variant"]) & (rows["level"] == level)]
                _mark_empty(panel, (single[columns] == 0).any(), coloured[row["variant"]])
            panel.axhline(1 - level, color="0.3", linewidth=0.9, linestyle="--", label="of all layers")
            panel.set(yscale="log", ylabel="share of weights left", title=f"{100 * level:g} % zeros")
        axes[-1].set_xticks(range(len(labels)), labels, rotation=90, fontsize="x-small")
        _add_legend(figure, *axes)
        figure.suptitle(title)
    return figure


def _mark_empty(panel, empty, colour):
    """A cross at the lower edge of a panel for every layer of `empty`, (layers,) bool."""
    places = np.flatnonzero(empty)
    if not len(places):
        return
    edge = panel.get_xaxis_transform()
    (line,) = panel.plot(places, [0.03] * len(places), "x", color=colour, transform=edge, zorder=4)
    # Its heights are no values, by which the panel would be laid out.
    line.set_in_layout(False)


def dropped(means: pandas.DataFrame, variants: Mapping[str, Any], title: str) -> Figure:
    """Test accuracy by the share of zero weights that were dropped for good, and by the share with a gradient.

    A line joins variants that differ in the share alone; without a share they are Feather, or its like.
    """
    groups, sparse = families(variants), means[means["variant"] != DENSE]
    members = sparse[sparse["variant"].isin(sum(groups.values(), []))].groupby("level")["variant"].nunique()
    shown = sorted(members.index[members > 1])
    drawn = dict(zip(groups, lines.distinct(len(groups)), strict=True))
    with appearance.themed(figsize=(2 * WIDTH + LEGEND, HEIGHT * len(shown) + 0.6)) as figure:
        axes = figure.subplots(len(shown), 2, sharey="row", squeeze=False)
        for (by_share, by_density), level in zip(axes, shown, strict=True):
            at_level = sparse[sparse["level"] == level].set_index("variant")
            for label, names in groups.items():
                own = at_level.loc[[name for name in names if name in at_level.index]]
                shares = own.index.map(lambda name: variants[name]["drop"])
                _draw_means(by_share, own, np.asarray(shares, float), label, drawn[label])
                _draw_means(by_density, own, own["gradient_density"].to_numpy(), label, drawn[label])
            for panel in (by_share, by_density):
                _draw_dense(panel, means)
                panel.set_title(f"{100 * level:g} % zeros")
            by_share.set_ylabel("test accuracy")
            by_share.yaxis.set_major_formatter(PercentFormatter(1))
        axes[-1, 0].set_xlabel("share of zero weights dropped for good")
        axes[-1, 1].set_xlabel("share of weights with a gradient at the end")
        _add_legend(figure, *axes.flat)
        figure.suptitle(title)
    return figure


# {figure: (its title, the function that draws it)}.
FIGURES: dict[str, tuple[str, Callable[..., Figure]]] = {
    "levels": ("Accuracy of sparse networks", levels),
    "training": ("The course of sparse training", course),
    "layers": ("Weights left by layer", layers),
    "dropped": ("Zero weights dropped for good", dropped),
}


def of_study(
    means: pandas.DataFrame, rows: pandas.DataFrame, histories: pandas.DataFrame, options: Mapping[str, Any]
) -> Figure:
    """One of FIGURES of a study, by the options of `page_options.sparsity_figure`."""
    heading, draw = FIGURES[options["figure"]]
    shown = {"training": (histories,), "dropped": (means,)}.get(options["figure"], (means, rows))
    return draw(*shown, options["variants"], f"{heading}: {options['title']}")
