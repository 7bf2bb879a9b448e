"""Figures of two studies side by side: their accuracies, and the difference of the two with its interval."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, PercentFormatter

from secateur.analysis import averages, two_studies
from secateur.figures import appearance, families, study_curves
from secateur.study import vocabulary

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    from secateur.analysis.two_studies import Two

SIZE = (10.4, 4.3)
# B's lines have hollow markers, and are thinner.
OF_A: dict[str, Any] = {"linewidth": 2.2, "markersize": 5, "zorder": 3}
OF_B: dict[str, Any] = {"linewidth": 1.2, "markersize": 6, "markerfacecolor": "white", "zorder": 4}
# A second criterion of one family has its colour and marker.
SECOND = (0, (1, 1.5))
# The axis of differences goes at least so far to both sides: equal studies would show rounding.
LEAST = 0.01


def accuracies(two: Two, of_family: Mapping[str, str], marks: Mapping[str, float]) -> str:
    """SVG of test accuracy by the share removed, and by the multiply-adds left of the larger dense network.

    `of_family` is {criterion: family} of the lines, two for each; `marks` are {study: the level that it chose}.
    """
    largest = max(map(two_studies.dense_macs, two[:2]))
    with appearance.themed(figsize=SIZE) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        looks = _looks(of_family)
        for (name, family), (letter, study, look) in itertools.product(
            of_family.items(), (("A", two.a, OF_A), ("B", two.b, OF_B))
        ):
            rows = averages.on_test(study.curves)
            rows = rows[rows["criterion"] == name].sort_values("level")
            style = looks[name] | look
            line = {"gid": f"{study_curves.MARK}~{name}~{family}", "label": f"{letter}: {name}", **style}
            left.plot(rows["level"], rows["accuracy"], **line)
            right.plot(rows["macs"] / largest, rows["accuracy"], **line)
        for letter, level in marks.items():
            left.axvline(level, color="0.6", linewidth=0.8, zorder=0, gid=f"at-{letter}")
        left.set(xlabel=f"{vocabulary.BUDGETS[two.a.budget]} removed", ylabel="test accuracy", ylim=(0, 1.02))
        right.set_xlabel("multiply-adds left")
        _finish(figure, left, right)
        return study_curves.inline(figure, "accuracy")


def _looks(of_family):
    """{criterion: arguments of its line} of {criterion: family}."""
    looks, seen = {}, set()
    for name, family in of_family.items():
        look = families.LOOKS[family].line()
        looks[name] = look | {"linestyle": SECOND} if family in seen else look
        seen.add(family)
    return looks


def differences(rows: pandas.DataFrame, budget: str, front: Sequence[str], largest: float) -> str:
    """SVG of B's accuracy minus A's at equal levels, and at equal multiply-adds of which `largest` are all.

    `rows` are those of `two_studies.differences` as pruned, without the dense networks; criteria of `front` are drawn
    in full with their intervals, and the others faded.
    """
    of_family = dict(zip(rows["criterion"], rows["family"], strict=True))
    looks = _looks({name: of_family[name] for name in front if name in of_family})
    with appearance.themed(figsize=SIZE) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for panel, equal, column, scale in ((left, "level", "level", 1.0), (right, "macs", "macs_a", 1 / largest)):
            panel.axhline(0, color="0.4", linewidth=1, zorder=2)
            for (name, family), own in rows[rows["equal"] == equal].groupby(["criterion", "family"], sort=False):
                _difference(panel, own.assign(x=own[column] * scale), (name, family), looks.get(name))
        low, high = left.get_ylim()
        limits = min(low, -LEAST), max(high, LEAST)
        left.set(xlabel=f"{vocabulary.BUDGETS[budget]} removed", ylabel="B minus A, points of accuracy", ylim=limits)
        right.set_xlabel("multiply-adds left, in both")
        _finish(figure, left, right)
        left.yaxis.set_major_formatter(FuncFormatter(_points))
        return study_curves.inline(figure, "difference")


def _points(value, _):
    """A difference in points; zero has no sign."""
    points = round(100 * value, 6)
    return f"{points:+g}".replace("-", "−") if points else "0"


def _difference(panel: Axes, rows, line, look):
    """One criterion, faded where it has no look of its own."""
    name, family = line
    gid = f"{study_curves.MARK}~{name}~{family}"
    if look is None:
        panel.plot(rows["x"], rows["difference"], gid=gid, **families.LOOKS[family].line() | study_curves.FADED)
        return
    panel.plot(rows["x"], rows["difference"], gid=gid, label=name, linewidth=2, markersize=5, zorder=3, **look)
    told = rows.dropna(subset=["low", "high"])
    panel.vlines(told["x"], told["low"], told["high"], color=look["color"], linewidth=1, alpha=0.6, zorder=1)


def _finish(figure, left, right):
    left.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for panel in (left, right):
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.invert_xaxis()
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=3)
