"""Levels: shares of units removed, in exact fractions."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Terms:
    """The terms by which a level becomes a set of units; settings of `evaluation`."""

    keep_at_least: float = 0  # of each layer's channels: a share below 1, rounded up, or a count
    round_to: int = 1  # widths of pruned layers are multiples of it
    budget: str = "units"  # what a level is a share of: "units", "parameters" or "macs"


PLAIN = Terms()


def fraction(number: float | str | Fraction) -> Fraction:
    """A level or a delta as the exact fraction that its text says: 0.1 is one tenth, not a float near it."""
    return Fraction(str(number))


def removed_at(level: float | str | Fraction, units: int) -> int:
    """The count of units, of `units`, that a level removes: floor(level * units + 1/2)."""
    return math.floor(fraction(level) * units + Fraction(1, 2))


def floor(keep_at_least: float, width: int) -> int:
    """The count of channels that a layer of `width` channels keeps: a share (below 1), rounded up, or a count."""
    least = fraction(keep_at_least)
    return min(math.ceil(least * width) if least < 1 else int(least), width)


def in_words(keep_at_least: float) -> str:
    """A floor: 5 %, or 2."""
    return f"{100 * keep_at_least:g} %" if keep_at_least < 1 else f"{keep_at_least:g}"


def highest(widths: Iterable[int], keep_at_least: float) -> int:
    """The highest count of channels that can be removed of layers of these widths, each of which keeps its floor."""
    return sum(width - floor(keep_at_least, width) for width in widths)
