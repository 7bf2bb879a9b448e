"""Levels: shares of units removed, in exact fractions."""

import math
from fractions import Fraction


def fraction(number):
    """A level or a delta as the exact fraction that its text says: 0.1 is one tenth, not a float near it."""
    return Fraction(str(number))


def removed_at(level, units):
    """How many of `units` a level removes: floor(level * units + 1/2)."""
    return math.floor(fraction(level) * units + Fraction(1, 2))
