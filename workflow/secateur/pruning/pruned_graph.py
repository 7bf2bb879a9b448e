"""The traced graph of a network after channels were removed: the tensors and sizes of every node."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.fx.node import map_aggregate, map_arg

from secateur.units import operations
from secateur.units.channel_ids import Value, values_in
from secateur.units.coupling import Coupling


class PrunedGraph:
    """The graph of a Coupling without the groups marked in `removed`, (groups,) bool."""

    def __init__(self, coupled: Coupling, removed: np.ndarray) -> None:
        self.coupled, self.removed = coupled, removed
        self._values, self._sizes = {}, {}

    def value(self, node: fx.Node) -> Value | tuple[Value, ...]:
        """The node's Value (or a tuple of them) with the remaining channels."""
        if node not in self._values:
            self._values[node] = _mapped(self.coupled.values[node], self._remaining)
        return self._values[node]

    def _remaining(self, value):
        """A Value without its removed channels; anything else as it is."""
        if not isinstance(value, Value):
            return value
        remaining = ~self.removed[value.ids]
        if remaining.all():
            return value
        axis = value.axis
        if axis is None:
            axis = min(1, len(value.shape) - 1)
            return Value(value.codes, (*value.shape[:axis], 0, *value.shape[axis + 1 :]))
        others = set(range(remaining.ndim)) - {axis}
        along = remaining.any(tuple(others))
        shape = (*value.shape[:axis], int(along.sum()), *value.shape[axis + 1 :])
        return Value(value.codes.compress(along, axis), shape)

    def loses_channels(self, node: fx.Node) -> bool:
        """True if a tensor loses channels."""
        return any(self.removed[value.ids].any() for value in values_in(self.coupled.values[node]))

    def differs(self, node: fx.Node) -> bool:
        """True if a tensor loses channels, or a size changes."""
        if node in self.coupled.plain:
            return self.size(node) != self.coupled.plain[node]
        return self.loses_channels(node)

    def empty(self, node: fx.Node) -> bool:
        """True if a tensor has no channel left."""
        values = values_in(self.value(node))
        return bool(values) and all(0 in value.shape for value in values)

    def size(self, node: fx.Node) -> Any:
        """A size, or any other value that is no tensor, as the smaller model computes it."""
        if node not in self._sizes:
            self._sizes[node] = self._computed_size(node)
        return self._sizes[node]

    def _computed_size(self, node):
        if node.op not in ("call_function", "call_method"):
            return self.coupled.plain[node]
        args, kwargs = map_arg((node.args, node.kwargs), self._stand_in)
        return operations.computed(node, args, kwargs)

    def _stand_in(self, node):
        """A tensor of the right shape without values."""
        if node in self.coupled.plain:
            return self.size(node)
        return _mapped(self.value(node), lambda value: torch.empty(value.shape, device="meta"))

    def resolved(self, arguments: Any) -> Any:
        """Arguments with Values for tensors and numbers for sizes."""
        return map_arg(arguments, self._resolved)

    def _resolved(self, node: fx.Node) -> Any:
        if node in self.coupled.plain:
            return self.size(node)
        return self.value(node)

    @functools.cached_property
    def hollow(self) -> list[str]:
        """The layers that have no output channels left, or no input channels."""
        layers = []
        for layer in self.coupled.outputs:
            outputs, inputs = self.coupled.outputs[layer], self.coupled.inputs[layer]
            if self.removed[outputs].all() or self.removed[inputs].all():
                layers.append(layer)
        return layers

    @functools.cached_property
    def constant(self) -> bool:
        """True if no path is left from the images to the output: all images get the same logits."""
        if not self.hollow:
            return False
        reached = set()
        for node in self.coupled.graph.graph.nodes:
            if node.op == "placeholder" or any(self._carries(source, reached) for source in node.all_input_nodes):
                reached.add(node)
        return node not in reached

    def _carries(self, node, reached):
        """True if the output of a node depends on the images."""
        return node in reached and node not in self.coupled.plain and not self.empty(node)


def _mapped(values: Any, function: Callable[[Any], Any]) -> Any:
    """A function of each of some nested values; torch's own types admit no other values than arguments of nodes."""
    return map_aggregate(values, function)
