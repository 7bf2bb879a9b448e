"""Networks: built by name, from a file, or by a function of the user."""

from secateur.models.zoo import build

__all__ = ["build"]
