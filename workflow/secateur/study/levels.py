"""Levels: shares of units removed, in exact fractions."""

import math
from fractions import Fraction


def fraction(number):
    """A level or a delta as the exact fraction that its text says: 0.1 is one tenth, not a float near it."""
    return Fraction(str(number))


def removed_at(level, units):
    """How many of `units` a level removes: floor(level * units + 1/2)."""
    return math.floor(fraction(level) * units + Fraction(1, 2))


def floor(keep_at_least, width):
    """How many of a layer's `width` channels stay: a share (below 1) rounded up, or a count."""
    least = fraction(keep_at_least)
    return min(math.ceil(least * width) if least < 1 else int(least), width)


def in_words(keep_at_least):
    """A floor: 5 %, or 2."""
    return f"{100 * keep_at_least:g} %" if keep_at_least < 1 else f"{keep_at_least:g}"


def highest(widths, keep_at_least):
    """How many channels of layers of these widths can be removed when each keeps its floor."""
    return sum(width - floor(keep_at_least, width) for width in widths)
