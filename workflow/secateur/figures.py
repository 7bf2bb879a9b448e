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


# With more lines than this, single seeds and most bands would hide what they belong to.
MOST_BANDS = 6


def curves(curves, evaluations, lines, title):
    """Accuracy and loss against the level and against the multiply-adds that are left: four panels.

    Where levels are shares of multiply-adds, the parameters that are left stand beside them.

    `lines` is {criterion: (label, colour)}. Bands are the intervals of the table, thin lines single seeds, and the
    random control is always drawn. Of many lines only the first and the last have a band. Floors of `curves` beyond
    its first are drawn in dashes, without bands.
    """
    seaborn.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    figure, axes = pyplot.subplots(2, 2, figsize=(11.5, 8), sharex="col", sharey="row", layout="constrained")
    budget = curves["budget"].iloc[0]
    other = beside(budget)
    dense = curves[other].max()
    first, *others = (part for _, part in curves.groupby("keep_at_least", sort=False))
    styles = {"random": RANDOM} | {name: {"color": c, "label": label} for name, (label, c) in lines.items()}
    few = len(lines) <= MOST_BANDS
    banded = {"random", *(lines if few else (list(lines)[0], list(lines)[-1]))}
    for row, measure in enumerate(("accuracy", "loss")):
        for column, against in enumerate(("level", other)):
            scale = 1 / dense if against == other else 1
            for criterion, style in styles.items():
                mean = _sorted(first[first["criterion"] == criterion], against, scale)
                _line(axes[row, column], mean, measure, style, band=criterion in banded)
                for floored in others:
                    mean = _sorted(floored[floored["criterion"] == criterion], against, scale)
                    floor = f"{style['label']}, {levels.in_words(mean['keep_at_least'].iloc[0])} kept"
                    dashed = style | {"linestyle": (0, (1, 1)), "label": floor}
                    _line(axes[row, column], mean, measure, dashed, band=False)
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


def _line(axes, mean, measure, style, band):
    axes.plot(mean["x"], mean[measure], linewidth=2, zorder=3, **style)
    if band and mean[f"{measure}_low"].notna().all():
        low = mean[f"{measure}_low"].clip(lower=0)
        high = mean[f"{measure}_high"].clip(upper=1 if measure == "accuracy" else None)
        axes.fill_between(mean["x"], low, high, color=style["color"], alpha=0.13, linewidth=0, zorder=1)
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


def recovery(means, rows, lines, kinds, title, budget="units"):
    """Accuracy by what was done to the pruned network, a panel for each level.

    `means` and `rows` are the tables of `recovery.py`, `lines` is {criterion: (label, colour)}; the random control is
    always drawn. `budget` is what levels are shares of. Thick marks are means with their intervals, thin lines single
    seeds and draws; the dashed line is the dense network. What starts from fresh weights is joined to nothing.
    """
    seaborn.set_theme(style="whitegrid", context="notebook", font_scale=0.85)
    shown = sorted(set(means["level"]))
    size = (1.2 * (len(kinds) + 1) * len(shown) + 2.5, 4.6)
    figure, axes = pyplot.subplots(1, len(shown), figsize=size, sharey=True, squeeze=False, layout="constrained")
    styles = {name: {"color": colour, "label": label} for name, (label, colour) in lines.items()}
    styles |= {"random": {"color": RANDOM["color"], "label": "random"}}
    rows = rows.assign(family=rows["criterion"].map(names.without_draw))
    for panel, level in zip(axes.flat, shown, strict=True):
        dense = rows.loc[(rows["level"] == 0), "accuracy"].mean()
        panel.axhline(dense, color="0.3", linewidth=0.9, linestyle="--", zorder=0, label="dense")
        for number, (criterion, style) in enumerate(styles.items()):
            # Beside each other, so that intervals can be told apart.
            places = {kind: place + 0.12 * (number - (len(styles) - 1) / 2) for place, kind in enumerate(kinds)}
            own = rows[(rows["family"] == criterion) & (rows["level"] == level)]
            for _, one in own.groupby(["seed", "criterion"]):
                _joined(panel, one, places, color=style["color"], linewidth=0.6, alpha=0.6, zorder=2)
            mean = means[(means["criterion"] == criterion) & (means["level"] == level)]
            _joined(panel, mean, places, **style, linewidth=2, marker="o", markersize=5, zorder=3)
            _intervals(panel, mean, places, style["color"])
        panel.set_xticks(range(len(kinds)), [KINDS[kind] for kind in kinds])
        panel.set_title(f"{100 * level:g} % of the {names.BUDGETS[budget]} removed")
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes[0, 0].set_ylabel("test accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.suptitle(title)
    return figure


KINDS = {
    "none": "pruned",
    "batchnorm": "BatchNorm\nre-estimated",
    "retrained": "retrained",
    "scratch": "fresh weights,\nsame widths",
}


def _joined(axes, table, places, **style):
    """One line through what continues the dense network, and a point for what does not."""
    values = table.set_index("kind")["accuracy"]
    kept = [kind for kind in places if kind in values and kind != "scratch"]
    (line,) = axes.plot([places[kind] for kind in kept], values[kept], **style)
    if "scratch" in places and "scratch" in values:
        marker = {"marker": "o", "markersize": style.get("markersize", 2), "alpha": style.get("alpha")}
        axes.plot([places["scratch"]], [values["scratch"]], color=line.get_color(), linestyle="", **marker)


def _intervals(axes, mean, places, colour):
    known = mean[mean["accuracy_low"].notna()]
    at = [places[kind] for kind in known["kind"]]
    low, high = known["accuracy_low"].clip(lower=0), known["accuracy_high"].clip(upper=1)
    axes.vlines(at, low, high, color=colour, linewidth=1.2, alpha=0.7, zorder=3)
    gone = mean[mean["collapsed"] > 0]
    axes.plot([places[kind] for kind in gone["kind"]], gone["accuracy"], "x", color=colour, markersize=10, zorder=4)


def save(figure, path):
    """Write a figure as SVG without the date, so that equal figures are equal files."""
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
