"""Units of a network, each of which can be removed as a whole: channels that are coupled are one unit."""

from secateur.units.finding import find

__all__ = ["find"]
