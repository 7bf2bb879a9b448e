"""The frontier of recovery: accuracy against the multiply-adds that are left, a panel for each study."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from secateur.figures import appearance
from secateur.study.kinds import KINDS


@dataclasses.dataclass(frozen=True)
class Line:
    """One criterion after one treatment: shares of multiply-adds left, accuracies and their intervals, as fractions."""

    criterion: str
    kind: str
    dashed: bool
    left: Sequence[float]
    accuracy: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]

    @property
    def label(self) -> str:
        """The criterion and the treatment, for a legend."""
        return f"{self.criterion}, {KINDS[self.kind].column}"


@dataclasses.dataclass(frozen=True)
class Panel:
    """The lines of one study, beside the accuracy of its dense network."""

    title: str
    dense: float
    lines: Sequence[Line]


def frontier(panels: Sequence[Panel]) -> Figure:
    """A panel for each study; bands are intervals, lines that are trained behind the closed form are single marks."""
    with appearance.themed(figsize=(3.9 * len(panels) + 2.6, 4.2)) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, panel in zip(axes, panels, strict=True):
            axis.axhline(panel.dense, color="0.3", linewidth=0.9, linestyle=":", label="dense")
            for line in panel.lines:
                _draw(axis, line)
            axis.set_title(panel.title)
            axis.set_xlabel("multiply-adds left")
            axis.invert_xaxis()
            axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes[0].set_ylabel("test accuracy")
        handles, labels = axes[0].get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True))
        figure.legend(entries.values(), entries.keys(), loc="outside right center", frameon=False)
    return figure


def _draw(axis, line):
    kind = KINDS[line.kind]
    style = {"color": kind.colour, "marker": kind.marker, "markersize": 4, "label": line.label}
    if kind.trains == "answers":
        axis.plot(line.left, line.accuracy, linestyle="", fillstyle="none" if line.dashed else "full", **style)
        return
    axis.plot(line.left, line.accuracy, linestyle="--" if line.dashed else "-", linewidth=1.4, **style)
    # No accuracy is below zero, however wide the interval of its change.
    low = [max(0.0, value) for value in line.low]
    axis.fill_between(line.left, low, line.high, color=kind.colour, alpha=0.15, linewidth=0)
