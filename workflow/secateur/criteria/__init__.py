"""Scores of channels from weights and from images."""
