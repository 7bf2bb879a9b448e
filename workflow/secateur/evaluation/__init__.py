"""Loss and accuracy of a network, and the fast and exact ways to them."""

from secateur.evaluation.measuring import measure

__all__ = ["measure"]
