"""Layer-wise relevance propagation, its rules, and relevance in HDF5."""

from secateur.relevance.propagation import propagate

__all__ = ["propagate"]
