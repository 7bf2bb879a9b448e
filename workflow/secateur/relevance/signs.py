"""Nodes that only open and close others, and nodes that are never negative, whatever the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur.graph import operation_kinds as kinds

if TYPE_CHECKING:
    from secateur.relevance.traced import Graph

GATES = kinds.SIGMOIDS | kinds.SHARES | kinds.kind((nn.Softmax2d,))
NEVER_NEGATIVE = kinds.RECTIFIERS | GATES
# Operations without weights that only move values, and pools of maxima: relevance passes to where a value came from.
MOVES_VALUES = (
    kinds.REARRANGED
    | kinds.CONCATENATED
    | kinds.SHUFFLED
    | kinds.INDEXED
    | kinds.MAX_POOLS
    | kinds.EXTREMES
    | kinds.LARGER_OR_SMALLER
    | kinds.PADDED
    | kinds.PADDED_ANYWHERE
    | kinds.kind((nn.PixelShuffle, F.pixel_shuffle), (nn.PixelUnshuffle, F.pixel_unshuffle))
    | kinds.kind(("unbind", torch.unbind), ("tensor_split", torch.tensor_split), ("narrow", torch.narrow))
    | kinds.kind(("flip", torch.flip), ("roll", torch.roll))
)
# Not those that resize, which may overshoot, nor pools of powers.
KEEPS_SIGN = (
    MOVES_VALUES
    | kinds.AVERAGE_POOLS
    | kinds.MEANS
    | kinds.SUMS
    | kinds.MULTIPLIED
    | kinds.IDENTITY
    | kinds.kind((nn.Dropout, F.dropout), (nn.Dropout2d, F.dropout2d))
)


class Signs:
    """Gates and signs of the nodes of a Graph, decided from the graph alone, each once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.gates: dict[fx.Node, bool] = {}
        self.never: dict[fx.Node, bool] = {}

    def is_gate(self, node: fx.Node) -> bool:
        """True if a node only opens and closes others: a sigmoid or a softmax, or what is made of such alone."""
        if node not in self.gates:
            self.gates[node] = self.graph.has(node, GATES) or self._is_made_of_gates(node)
        return self.gates[node]

    def _is_made_of_gates(self, node):
        sources = self.graph.sources(node)
        return bool(sources) and not self.graph.is_linear(node) and all(map(self.is_gate, sources))

    def never_negative(self, node: fx.Node) -> bool:
        """True if a node's value cannot be negative, whatever the image."""
        if node not in self.never:
            self.never[node] = self._never_negative(node)
        return self.never[node]

    def _never_negative(self, node):
        module = self.graph.module(node)
        if NEVER_NEGATIVE.has(node, module):
            return not _may_be_negative_softplus(node, module)
        if not KEEPS_SIGN.has(node, module) or _has_negative(node, module):
            return False
        return bool(node.all_input_nodes) and all(map(self.never_negative, node.all_input_nodes))


def _may_be_negative_softplus(node, module):
    """True if a softplus has a beta of its own, which may be negative."""
    if isinstance(module, nn.Softplus):
        return module.beta <= 0
    return node.target is F.softplus and (len(node.args) > 1 or "beta" in node.kwargs)


def _has_negative(node, module):
    """True if a number among a node's arguments could make its value negative, as x + (-1) or a padding by -1."""
    if isinstance(module, nn.AvgPool2d):
        return module.divisor_override is not None
    if module is not None:
        return isinstance(module, nn.ConstantPad2d) and module.value < 0
    if node.target is F.avg_pool2d:
        return len(node.args) > 6 or node.kwargs.get("divisor_override") is not None
    if node.target is F.pad:
        fill = kinds.argument(node, 3, "value")
        return fill is not None and fill < 0
    if not (kinds.ADDED | kinds.MULTIPLIED).has(node, module):
        return False
    operands = (*node.args, *node.kwargs.values())
    return any(operand < 0 for operand in operands if not isinstance(operand, fx.Node))
