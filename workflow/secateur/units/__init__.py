"""What can be removed from a network as a whole: channels that are coupled are one unit."""

from secateur.units.finding import find

__all__ = ["find"]
