"""Loss and accuracy of a network, and faster kernels and arithmetic to compute them."""

from secateur.evaluation.measuring import measure

__all__ = ["measure"]
