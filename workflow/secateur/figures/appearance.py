"""Shared by all figures: how SVG is written, the colour of chance, and saving."""

from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.figure import Figure

matplotlib.use("svg")
# Text stays text, so that figures are small and can be searched; a fixed salt makes equal figures equal files.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "secateur", "font.family": "sans-serif"})

RANDOM = {"color": "0.55", "linestyle": (0, (4, 2)), "label": "random"}


def save(figure: Figure, path: Path | str) -> None:
    """Write a figure as SVG without the date, so that equal figures are equal files."""
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
