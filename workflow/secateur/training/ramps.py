"""Ramps over the steps of a training, for the hooks that make a network smaller or sparser."""

from fractions import Fraction


def cubic(progress: Fraction) -> Fraction:
    """The share of the way after a share of the ramp: 1 - (1 - u)^3 (Zhu and Gupta, 2017)."""
    return 1 - (1 - progress) ** 3
