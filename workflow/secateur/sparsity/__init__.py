"""Sparse training: weights that are zero in every step, chosen anew before each."""
