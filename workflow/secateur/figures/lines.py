"""The lines of each figure of curves: which criteria it draws, with their labels and colours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import seaborn

from secateur.figures import curve_page

OURS, WEIGHTS, COMBINED = "#0072b2", "#d55e00", "#009e73"
# Hues and lightness both differ, which evenly spread hues do not. Grey is the control's.
DISTINCT = [
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#17becf",
    "#e377c2",
    "#bcbd22",
    "#0b2a63",
    "#7fdd9f",
]


@dataclass(frozen=True)
class Figure:
    """One figure of curves."""

    lines: dict[str, tuple[str, str]]  # {criterion: (label, colour)}
    title: str
    floors: bool = False  # whether every floor is drawn
    widths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # of the lines that meet some at one level


def strategies(options: Mapping[str, Any]) -> Figure:
    """Relevance, weights, both in turns where the study combines them; the random control is always drawn."""
    reading = options["name"]
    lines = _with_weights(options)
    count = "Three"
    if options["combined"]:
        lines[f"combined.{reading}"] = (f"combined.{reading}", COMBINED)
        count = "Four"
    return Figure(lines, f"{count} strategies: {options['title']}, reading {reading}")


def statistics(options: Mapping[str, Any]) -> Figure:
    """Each statistic of one source."""
    source, names = options["name"], options["statistics"]
    colours = seaborn.color_palette("colorblind", len(names)).as_hex()
    lines = {f"{source}.{name}": (name, colour) for name, colour in zip(names, colours, strict=True)}
    return Figure(lines, f"Statistics of {source}: {options['title']}")


def scores(options: Mapping[str, Any]) -> Figure:
    """Scores, files, mixtures and learned criteria in colours, beside a reading in black and the weights in brown."""
    criteria, beside = options["criteria"], options["beside"]
    # The weights are the last of those beside, and without readings the only one.
    colours = ["#000000", "#8c510a"][-len(beside) :] + distinct(len(criteria))
    names = [*beside, *criteria]
    lines = {name: (name, colour) for name, colour in zip(names, colours, strict=True)}
    return Figure(lines, f"Criteria: {options['title']}", widths=options["widths"])


def recovery(options: Mapping[str, Any]) -> Figure:
    """Every reading and the weights by one statistic, then all other criteria."""
    names = options["criteria"]
    lines = {name: (name, colour) for name, colour in zip(names, distinct(len(names)), strict=True)}
    return Figure(lines, f"Before and after recovery: {options['title']}", widths=options["widths"])


def distinct(count: int) -> list[str]:
    """So many colours that can be told apart."""
    if count > len(DISTINCT):
        return seaborn.husl_palette(count, s=0.85, l=0.55).as_hex()
    return DISTINCT[:count]


def deltas(options: Mapping[str, Any]) -> Figure:
    """Mixed lists from delta 0, weights alone, to delta 1, relevance alone."""
    reading, shares = options["name"], options["deltas"]
    colours = seaborn.color_palette("viridis", len(shares)).as_hex()
    lines = {}
    for delta, colour in zip(shares, colours, strict=True):
        lines[f"mixed.{reading}.{delta}"] = (f"delta {delta}", colour)
    return Figure(lines, f"Mixed lists by delta: {options['title']}, reading {reading}")


def controls(options: Mapping[str, Any]) -> Figure:
    """A criterion against its own order at equal shares, and its shares with random channels."""
    criterion = options["name"]
    lines = {
        criterion: (f"{criterion}:\nits own shares, its own channels", OURS),
        f"shuffled.{criterion}": ("its own shares,\nrandom channels", "#e69f00"),
        f"uniform.{criterion}": ("equal shares,\nits own channels", "#009e73"),
        "uniform.random": ("equal shares,\nrandom channels", "#cc79a7"),
    }
    title = f"How many of each layer, or which: {options['title']}, {criterion}"
    return Figure(lines, title, widths=options["widths"])


def floors(options: Mapping[str, Any]) -> Figure:
    """The strategies without and with a floor that keeps a part of every layer."""
    title = f"With and without a floor: {options['title']}, {curve_page.named(options['name'], options)}"
    return Figure(_with_weights(options), title, floors=True)


def _with_weights(options):
    """The lines of one source and of the weights."""
    statistic = options["statistic"]
    source, weight = f"{options['name']}.{statistic}", f"{options['weight']}.{statistic}"
    return {source: (source, OURS), weight: (weight, WEIGHTS)}


FIGURES = {
    "strategies": strategies,
    "statistics": statistics,
    "scores": scores,
    "deltas": deltas,
    "controls": controls,
    "floors": floors,
}
