"""The figure of a study's page: every criterion against the level and against its price, a few of them in front."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import PercentFormatter

from secateur.figures import appearance, families
from secateur.figures.curves import beside
from secateur.study import vocabulary
from secateur.study.criterion_families import FAMILIES

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Marks the id of a line of a criterion and its family in what matplotlib writes.
MARK = "line"
# What the marks of the price are.
COUNTED, TIMED = "front, multiply-adds (counted)", "exported, latency (timed)"
# The same of a name at a line's end, and of the stroke that leads to it, and of the band of its intervals.
NAME, BAND = "name", "band"
# Of these names: the least distance, in accuracy, the colour, which can be read on white, and the most letters.
APART, INK, LETTERS = 0.055, "0.15", 26
FADED = {"linewidth": 0.8, "marker": "", "zorder": 1}
# How much of its background a faded line hides; of many they hide less, or together they would hide the others.
FADE, MANY = 0.3, 40


def accuracy(
    curves: pandas.DataFrame, of_family: Mapping[str, str], front: Sequence[str], level: float, chance: float
) -> str:
    """SVG of two panels: test accuracy by the share removed, and by the cost that is left.

    `of_family` is {criterion: family} of all lines, of which those of `front` are drawn in full with their intervals
    and named, and the others faded. A dashed line stands at `level`. Lines are marked by their criterion (`inline`).
    """
    budget = curves["budget"].iloc[0]
    cost = beside(budget)
    with appearance.themed(figsize=(10.4, 4.3)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for panel, column, scale in ((left, "level", 1.0), (right, cost, 1 / curves[cost].max())):
            for criterion, family in of_family.items():
                rows = curves[curves["criterion"] == criterion].sort_values("level")
                alpha = None if criterion in front else FADE * min(1.0, MANY / len(of_family))
                _line(panel, rows, rows[column] * scale, (criterion, family), alpha)
            panel.axhline(chance, color="0.7", linewidth=0.8, linestyle=":", zorder=0)
            panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        left.axvline(level, color="0.3", linewidth=1, linestyle=(0, (4, 3)), zorder=2, gid="at")
        left.set(xlabel=f"{vocabulary.BUDGETS[budget]} removed", ylabel="test accuracy", ylim=(0, 1.02))
        left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        right.set_xlabel(f"{vocabulary.BUDGETS[cost]} left")
        right.invert_xaxis()
        _names(right, curves, (cost, 1 / curves[cost].max()), {name: of_family[name] for name in front})
        handles, labels = right.get_legend_handles_labels()
        legend = figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=3)
        for place, name in enumerate(labels):
            for part in (legend.legend_handles[place], legend.get_texts()[place]):
                if part is not None:
                    part.set_gid(f"{NAME}~{name}~{of_family[name]}")
        return inline(figure, "accuracy")


def price(
    points: pandas.DataFrame,
    front: pandas.DataFrame,
    dense: Mapping[str, float],
    of_family: Mapping[str, str],
    measured: Iterable[tuple[str, str, float, float]],
) -> str:
    """SVG of test accuracy by cost as a share of the dense network's.

    `points` are rows of networks and `front` those that no other beats, counted in multiply-adds. `measured` has a
    (criterion, family, share of the dense network's latency, accuracy) for each network that was timed.
    """
    with appearance.themed(figsize=(10.4, 4.3)) as figure:
        panel = figure.subplots()
        for criterion, rows in points.groupby("criterion", sort=False):
            family = of_family[criterion]
            look = families.LOOKS[family].line() | {"linestyle": "", "markersize": 4, "alpha": 0.5, "fillstyle": "none"}
            gid = f"{MARK}~{criterion}~{family}"
            panel.plot(rows["macs"] / dense["macs"], rows["accuracy"], gid=gid, **look)
        panel.plot(front["macs"] / dense["macs"], front["accuracy"], color="black", linewidth=1.2, label=COUNTED)
        for family in dict.fromkeys(map(of_family.__getitem__, points["criterion"])):
            look = families.LOOKS[family].line() | {"linestyle": "", "markersize": 4, "fillstyle": "none"}
            panel.plot([], [], label=FAMILIES[family], gid=f"{NAME}~~{family}", **look)
        label = TIMED
        for criterion, family, share, accuracy in measured:
            gid, colour = f"{MARK}~{criterion}~{family}", families.LOOKS[family].colour
            style = {"marker": "D", "markersize": 7, "linestyle": "", "markeredgecolor": "black", "zorder": 4}
            panel.plot([share], [accuracy], gid=gid, color=colour, label=label, **style)
            # One entry of the legend for all of them.
            label = "_"
        panel.set(xlabel="left of the dense network's cost", ylabel="test accuracy", ylim=(0, 1.02))
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        panel.invert_xaxis()
        panel.legend(loc="lower left", frameon=False)
        return inline(figure, "price")


def _line(panel: Axes, rows, x, line, alpha):
    """One criterion, faded unless `alpha` is None."""
    criterion, family = line
    look = families.LOOKS[family].line()
    gid = f"{MARK}~{criterion}~{family}"
    if alpha is not None:
        panel.plot(x, rows["accuracy"], gid=gid, alpha=alpha, **look | FADED)
        return
    panel.plot(x, rows["accuracy"], gid=gid, label=criterion, linewidth=2, markersize=5, zorder=3, **look)
    if rows["accuracy_low"].notna().all():
        band = {"color": look["color"], "alpha": 0.12, "linewidth": 0, "zorder": 1, "gid": gid.replace(MARK, BAND, 1)}
        panel.fill_between(x, rows["accuracy_low"], rows["accuracy_high"], **band)


def _names(panel: Axes, curves, scaled, of_family):
    """The criteria's names beside the ends of their lines, in the order of these, with strokes that lead there."""
    column, scale = scaled
    ends = []
    for criterion, family in of_family.items():
        rows = curves[curves["criterion"] == criterion].sort_values("level")
        if len(rows):
            last = rows.iloc[-1]
            ends.append((float(last["accuracy"]), float(last[column]) * scale, criterion, family))
    ends.sort(reverse=True)
    places = spread([end[0] for end in ends])
    # From the data to where names stand, a share of the panel's width beyond its edge.
    across = panel.get_yaxis_transform()
    for (height, x, criterion, family), place in zip(ends, places, strict=True):
        edge = panel.transAxes.inverted().transform(panel.transData.transform((x, height)))[0]
        gid = f"{NAME}~{criterion}~{family}"
        stroke = {"color": families.LOOKS[family].colour, "linewidth": 0.9, "clip_on": False, "gid": gid}
        panel.plot([edge, 1.01, 1.045], [height, place, place], transform=across, **stroke)
        name = criterion if len(criterion) <= LETTERS else f"{criterion[: LETTERS - 1]}…"
        panel.text(1.055, place, name, transform=across, va="center", color=INK, fontsize="small", gid=gid)


def spread(heights: Sequence[float], apart: float = APART, most: float = 1.0) -> list[float]:
    """Falling heights moved until they are so far apart, down from `most` and up from the lowest."""
    places: list[float] = []
    for height in heights:
        places.append(min(height, places[-1] - apart if places else most))
    # What would stand below the lowest line moves the others up.
    lowest = min(min(heights, default=0.0), most - apart * (len(heights) - 1))
    for place in range(len(places) - 1, -1, -1):
        places[place] = max(places[place], lowest + apart * (len(places) - 1 - place))
    return places


def inline(figure: Figure, name: str) -> str:
    """A figure as SVG inside a page: sized by the page, ids of its own, and lines marked by their criterion."""
    text = io.StringIO()
    appearance.save(figure, text)
    svg = re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.S)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", svg, count=1)
    # Half of what matplotlib writes are digits that no screen shows; in names they count.
    svg = re.sub(r'(?<= )(?:d|points|transform|[xy][12]?)="[^"]*"', _shortened, svg)
    svg = re.sub(rf'id="({MARK}|{NAME}|{BAND})~([^~"]*)~([^~"]*)"', r'class="\1" data-c="\2" data-f="\3"', svg)
    # What stands for a family and no criterion.
    svg = svg.replace(' data-c=""', "")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\1{name}-", svg)
    return re.sub(r"\n\s*", "\n", svg)


def _shortened(attribute):
    return re.sub(r"(\d+\.\d\d)\d+", r"\1", attribute[0])
