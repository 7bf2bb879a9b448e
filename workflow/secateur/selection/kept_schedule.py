"""The count of open gates over a training: from all to those that are kept, by a cubic ramp over its first half."""

import math
from fractions import Fraction

from secateur.training import ramps


def kept_at(width: int, kept: int, share: Fraction) -> int:
    """The count of open gates, of `width`, after a share of all closings: ceil(width - (width - kept) share)."""
    return math.ceil(width - (width - kept) * share)


def share_at(step: int, steps: int) -> Fraction:
    """The share of all closings that a step from 0 of so many `steps` asks for (Zhu and Gupta, 2017).

    1 - (1 - u)^3 with u = min(1, 2 step / steps), in exact fractions.
    """
    progress = min(Fraction(1), Fraction(2 * step, steps)) if steps > 1 else Fraction(1)
    return ramps.cubic(progress)
