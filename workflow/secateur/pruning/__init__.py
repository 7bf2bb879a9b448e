"""Channels masked or removed, and the plan of a ranking's level: the channels that it removes."""

from secateur.pruning.layer_sensitivity import allocated, sensitivity
from secateur.pruning.masking import masked
from secateur.pruning.plans import plan
from secateur.pruning.reconstruction import reconstructed
from secateur.pruning.removal import removed
from secateur.pruning.stored import load

__all__ = ["allocated", "load", "masked", "plan", "reconstructed", "removed", "sensitivity"]
