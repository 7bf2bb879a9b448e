"""Shared by all figures: their theme, the colour of chance, how SVG is written, and saving."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import matplotlib
import seaborn
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Text stays text, so that figures are small and can be searched; a fixed salt makes equal figures
# equal files.
SVG: dict[RcKeyType, Any] = {"svg.fonttype": "none", "svg.hashsalt": "secateur"}
RANDOM = {"color": "0.55", "linestyle": (0, (4, 2)), "label": "random"}


class Themed(Figure):
    """A figure that is saved, and shown in notebooks, in the theme that it was drawn in."""

    theme: dict[str, Any]

    def _repr_svg_(self) -> str:
        content = io.BytesIO()
        save(self, content)
        return content.getvalue().decode("utf-8")


@contextlib.contextmanager
def themed(
    style: Literal["white", "whitegrid"] = "whitegrid", font_scale: float = 0.85, **options: Any
) -> Iterator[Themed]:
    """An empty figure whose theme holds within the block, and again when it is saved, and nowhere else.

    `options` are those of matplotlib's Figure.
    """
    with matplotlib.rc_context():
        seaborn.set_theme(style=style, context="notebook", font_scale=font_scale, color_codes=False)
        matplotlib.rcParams.update(SVG)
        figure = Themed(layout="constrained", **options)
        FigureCanvasSVG(figure)
        # Layout and the ticks' labels are made when the figure is saved. A backend is no matter of theme, and restoring
        # it would ask for one that shows windows.
        figure.theme = {key: value for key, value in matplotlib.rcParams.items() if key != "backend"}
        yield figure


def save(figure: Figure, path: Path | str | IO) -> None:
    """Write a figure as SVG, in its theme if it is of `themed`; without the date, equal figures are equal files."""
    with matplotlib.rc_context(getattr(figure, "theme", SVG)):
        figure.savefig(path, format="svg", metadata={"Date": None})
