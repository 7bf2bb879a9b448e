"""Channels chosen by learning: gates inside a network, trained by the loss of its task."""

from secateur.selection.gates import PruningConv2D
from secateur.selection.output_analyser import OutputAnalyser

__all__ = ["OutputAnalyser", "PruningConv2D"]
