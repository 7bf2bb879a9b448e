"""Channels masked or removed, and which ones at a level of a ranking."""

from secateur.pruning.masking import masked
from secateur.pruning.plans import plan
from secateur.pruning.removal import removed
from secateur.pruning.stored import load

__all__ = ["load", "masked", "plan", "removed"]
