"""Figures of a study: tables in, figures out."""

import matplotlib

matplotlib.use("svg")

import seaborn
from matplotlib import pyplot
from matplotlib.ticker import NullFormatter, NullLocator, PercentFormatter

from secateur import levels, names

# Text stays text, so that figures are small and can be searched; a fixed salt makes equal figures equal files.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "secateur", "font.family": "sans-serif"})
RANDOM = {"color": "0.55", "linestyle": (0, (4, 2)), "label": "random"}


# With more lines than this, single seeds would hide what they belong to.
MOST_SINGLE = 6
# How much of what is behind them all bands together may hide where they overlap; one alone is never darker than the
# second number.
BANDS, BAND = 0.8, 0.13


def curves(curves, evaluations, lines, title):
    """Accuracy and loss against the level and against the multiply-adds that are left: four panels.

    Where levels are shares of multiply-adds, the parameters that are left stand beside them.

    `lines` is {criterion: (label, colour)}. Every line has a band, the intervals of the table, paler where there are
    many; thin lines are single seeds, of few lines only, and the random control is always drawn. Floors of `curves`
    beyond its first are drawn in dashes, without bands.
    """
    seaborn.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    figure, axes = pyplot.subplots(2, 2, figsize=(11.5, 8), sharex="col", sharey="row", layout="constrained")
    budget = curves["budget"].iloc[0]
    other = beside(budget)
    dense = curves[other].max()
    first, *others = (part for _, part in curves.groupby("keep_at_least", sort=False))
    styles = {"random": RANDOM} | {name: {"color": c, "label": label} for name, (label, c) in lines.items()}
    few, shade = len(lines) <= MOST_SINGLE, min(BAND, BANDS / len(styles))
    for row, measure in enumerate(("accuracy", "loss")):
        for column, against in enumerate(("level", other)):
            scale = 1 / dense if against == other else 1
            for criterion, style in styles.items():
                mean = _sorted(first[first["criterion"] == criterion], against, scale)
                _line(axes[row, column], mean, measure, style, shade)
                for floored in others:
                    mean = _sorted(floored[floored["criterion"] == criterion], against, scale)
                    floor = f"{style['label']}, {levels.in_words(mean['keep_at_least'].iloc[0])} kept"
                    dashed = style | {"linestyle": (0, (1, 1)), "label": floor}
                    _line(axes[row, column], mean, measure, dashed)
                if few and criterion != "random" and evaluations["seed"].nunique() > 1:
                    own = evaluations[evaluations["criterion"].map(names.without_draw) == criterion]
                    for _, one in own.groupby(["seed", "criterion"]):
                        _thin_line(axes[row, column], _sorted(one, against, scale), measure, style["color"])
    _dress(axes, _chance(evaluations), budget)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle(title)
    return figure


def _sorted(table, against, scale):
    return table.sort_values("level").assign(x=table[against] * scale)


def _line(axes, mean, measure, style, shade=0):
    """One line, with a band so dark where the table has intervals of it, and crosses where a layer is empty."""
    axes.plot(mean["x"], mean[measure], linewidth=2, zorder=3, **style)
    if shade and mean[f"{measure}_low"].notna().all():
        low, high = mean[f"{measure}_low"], mean[f"{measure}_high"]
        axes.fill_between(mean["x"], low, high, color=style["color"], alpha=shade, linewidth=0, zorder=1)
    gone = mean[mean["collapsed"] > 0]
    axes.plot(gone["x"], gone[measure], "x", color=style["color"], markersize=6, zorder=4)


def _thin_line(axes, one, measure, colour):
    axes.plot(one["x"], one[measure], color=colour, linewidth=0.6, alpha=0.6, zorder=2)


def beside(budget):
    """What a level does not say: the multiply-adds that are left, or the parameters where levels count these."""
    return "parameters" if budget == "macs" else "macs"


def _dress(axes, chance, budget):
    axes[0, 0].set_ylabel("test accuracy")
    axes[1, 0].set_ylabel("test loss (nats)")
    axes[1, 0].set_xlabel(f"{names.BUDGETS[budget]} removed")
    axes[1, 1].set_xlabel(f"{names.BUDGETS[beside(budget)]} left")
    for row in axes:
        for panel in row:
            panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for panel in axes[0]:
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.axhline(chance, color="0.7", linewidth=0.8, linestyle=":", zorder=0)
        panel.set_ylim(0, 1.02)
    for panel in axes[1]:
        panel.set_ylim(0, None)
    axes[0, 1].invert_xaxis()


def _chance(evaluations):
    classes = [column for column in evaluations if column.startswith("accuracy.")]
    return 1 / len(classes)


def layers(evaluations, criteria, title):
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
        panel.set(title=label, xlabel=f"{names.BUDGETS[evaluations['budget'].iloc[0]]} removed (%)", ylabel="")
    figure.suptitle(title)
    return figure


def removed_shares(evaluations):
    """A long table criterion, seed, level, layer, share from the columns `removed.*`; draws are one criterion."""
    columns = [column for column in evaluations if column.startswith("removed.")]
    own = evaluations["criterion"].map(names.without_draw)
    long = evaluations.assign(criterion=own).melt(["criterion", "seed", "level"], columns, "layer", "share")
    return long.assign(layer=long["layer"].str.removeprefix("removed."))


def stability(curves, until, title):
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


# Name in words, marker and colour of what was done to a pruned network; open marks were not trained again.
KINDS = {
    "none": ("pruned", "o", "#0173b2", "none"),
    "batchnorm": ("BatchNorm re-estimated", "D", "#de8f05", "none"),
    "retrained": ("retrained", "o", "#0173b2", "full"),
    "scratch": ("fresh weights, same widths", "s", "#949494", "full"),
}


def recovery(means, rows, criteria, kinds, title, budget="units"):
    """Accuracy of every pruned network by what was done to it: a row for each criterion, a panel for each level.

    `means` and `rows` are the tables of `recovery.py`; the random control is the last row always. `budget` is what
    levels are shares of. Large marks are means with their intervals, dots single seeds and draws, a line joins what
    continues the same network; the dashed line is the dense network.
    """
    seaborn.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    shown, names_of_rows = sorted(set(means["level"])), [*criteria, "random"]
    size = (4.2 * len(shown) + 2.5, 0.36 * len(names_of_rows) + 2.1)
    figure, axes = pyplot.subplots(
        1, len(shown), figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    rows = rows.assign(family=rows["criterion"].map(names.without_draw))
    for panel, level in zip(axes.flat, shown, strict=True):
        dense = rows.loc[(rows["level"] == 0), "accuracy"].mean()
        panel.axvline(dense, color="0.3", linewidth=0.9, linestyle="--", zorder=0, label="dense")
        for place, criterion in enumerate(names_of_rows):
            mean = means[(means["criterion"] == criterion) & (means["level"] == level)].set_index("kind")
            same = [kind for kind in kinds if kind in mean.index and kind != "scratch"]
            panel.plot(mean.loc[same, "accuracy"], [place] * len(same), color="0.75", linewidth=1.2, zorder=1)
            own = rows[(rows["family"] == criterion) & (rows["level"] == level)]
            for kind in kinds:
                _mark(panel, place, kind, mean, own[own["kind"] == kind]["accuracy"])
        panel.set_title(f"{100 * level:g} % of the {names.BUDGETS[budget]} removed")
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.set_xlabel("test accuracy")
        panel.grid(axis="y", linewidth=0.4)
    axes[0, 0].set_yticks(range(len(names_of_rows)), names_of_rows)
    axes[0, 0].invert_yaxis()
    handles = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    figure.suptitle(title)
    return figure


def _mark(axes, place, kind, mean, own):
    """One kind of one criterion: its mean, its interval, and each of its networks where there are several."""
    label, marker, colour, fill = KINDS[kind]
    if len(own) > 1:
        axes.plot(own, [place] * len(own), ".", color=colour, markersize=3, alpha=0.7, zorder=2)
    if kind not in mean.index or mean.loc[kind, "accuracy"] != mean.loc[kind, "accuracy"]:
        return
    one = mean.loc[kind]
    if one["accuracy_low"] == one["accuracy_low"]:
        axes.hlines(place, one["accuracy_low"], one["accuracy_high"], color=colour, linewidth=1.4, zorder=2)
    style = {"color": colour, "fillstyle": fill, "markersize": 6, "linestyle": ""}
    axes.plot(one["accuracy"], place, marker, label=label, zorder=3, **style)
    if one["collapsed"] > 0:
        axes.plot(one["accuracy"], place, "x", color="black", markersize=9, zorder=4)


def save(figure, path):
    """Write a figure as SVG without the date, so that equal figures are equal files."""
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
