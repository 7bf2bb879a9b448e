"""Networks: built by name, from a file, or by a user's function."""

from secateur.models.zoo import build

__all__ = ["build"]
