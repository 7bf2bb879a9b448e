"""One pass over the nodes of a graph, in which every channel gets an id and ids travel with the tensors."""

import math
import operator
from typing import Any, cast

import numpy as np
from torch import fx, nn
from torch.fx.node import map_aggregate, map_arg

from secateur.graph import operation_kinds as kinds
from secateur.graph import shapes
from secateur.units import handlers, keeping
from secateur.units.channel_ids import FIXED, Value, fixed, values_in
from secateur.units.layers import Grouped

# Constants with more elements than this (embeddings, masks) are fixed.
LARGEST_CONSTANT = 1 << 16


class Walk:
    """The books of a pass: ids of the channels of every layer, which of them are tied, and why some cannot be removed.

    `shapes` is {node: its Shape, or its value if it is no tensor}.
    """

    def __init__(self, model: nn.Module, traced: fx.GraphModule, shapes: dict[fx.Node, Any]) -> None:
        self.model, self.traced, self.shapes = model, traced, shapes
        self.names = {id(module): name for name, module in model.named_modules()}
        self.count = FIXED + 1
        self.values: dict[fx.Node, Any] = {}
        self.ties: list[tuple[np.ndarray, np.ndarray]] = []
        self.reasons: list[tuple[np.ndarray, str]] = []
        self.added: list[np.ndarray] = []
        self.outputs: dict[str, np.ndarray] = {}
        self.inputs: dict[str, np.ndarray] = {}
        self.norms: dict[str, np.ndarray] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.unmasked: dict[str, np.ndarray] = {}
        self.grouped: dict[str, Grouped] = {}
        self.positions: dict[str, int] = {}
        self.convolutions: list[str] = []
        self.fitted: list[fx.Node] = []

    def run(self) -> "Walk":
        """Pass all nodes; the books are complete afterwards."""
        for node in self.traced.graph.nodes:
            self.values[node] = self._value(node)
        self._tie_shared_weights()
        return self

    # ---- bookkeeping

    def new(self, count: int) -> np.ndarray:
        """(count,) ids that nothing has yet."""
        self.count += count
        return np.arange(self.count - count, self.count)

    def tie(self, first: np.ndarray, second: np.ndarray, why: str) -> None:
        """Ids that meet are removed together; those that meet something fixed cannot be removed, for this reason."""
        first, second = (part.ravel() for part in np.broadcast_arrays(first, second))
        differ = first != second
        first, second = first[differ], second[differ]
        self._hold(first[second == FIXED], why)
        self._hold(second[first == FIXED], why)
        free = (first != FIXED) & (second != FIXED)
        if free.any():
            self.ties.append((first[free], second[free]))

    def _hold(self, ids, why):
        if len(ids):
            self.reasons.append((ids, why))

    def protect(self, value: Any, why: str) -> None:
        """No channel of a value, or of the values in it, can be removed, for this reason."""
        for part in values_in(value):
            ids = np.unique(part.ids)
            self.reasons.append((ids[ids != FIXED], why))

    def fixed(self, node: fx.Node) -> Any:
        """The result of a node of which no channel can be removed."""
        return map_aggregate(self.shapes[node], _fixed)

    def unknown(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a node that cannot be followed: the channels that reach it are protected."""
        self.protect((args, kwargs), f"its channels reach {self.called(node)}, through which they cannot be followed")
        return self.fixed(node)

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """The sizes of the tensor that a node gives."""
        return tuple(self.shapes[node])

    def gives_one_tensor(self, node: fx.Node) -> bool:
        """True if a node gives one tensor and not several."""
        return shapes.is_shape(self.shapes[node])

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module that a node calls, None if it calls none."""
        if node.op != "call_module":
            return None
        return self.traced.get_submodule(cast(str, node.target))

    def layer(self, node: fx.Node, kind: kinds.Kind) -> nn.Module | None:
        """The layer that a node calls, or whose weights a function is given; None if it is of another kind."""
        if node.op == "call_module":
            return self.module(node)
        tensor = kinds.argument(node, 1)
        if not isinstance(tensor, fx.Node) or tensor.op != "get_attr":
            return None
        name, _, last = tensor.target.rpartition(".")
        owner = self.model.get_submodule(name)
        wanted = "running_mean" if kind is kinds.NORMS else "weight"
        if last != wanted or not isinstance(owner, kind.modules):
            return None
        return owner

    def called(self, node: fx.Node) -> str:
        """A node in words: the layer or function with its type."""
        module = self.module(node)
        if module is not None:
            return f"{node.target} ({type(module).__name__})"
        return f"{node.name} ({getattr(node.target, '__name__', node.target)})"

    # ---- nodes

    def _value(self, node):
        if node.op == "placeholder":
            return self.fixed(node)
        if node.op == "get_attr":
            return self._constant(node)
        args, kwargs = map_arg((node.args, node.kwargs), self.values.__getitem__)
        if node.op == "output":
            self.protect(args, "its channels are what the model puts out")
            return None
        if not values_in((args, kwargs)):
            return self.fixed(node)
        if node.target is operator.getitem and not isinstance(args[0], Value):
            return args[0][args[1]]
        if not shapes.is_tensor(self.shapes[node]):
            return self.shapes[node]
        return self._handler(node)(self, node, args, kwargs)

    def _handler(self, node):
        if kinds.is_stochastic_depth(node):
            return keeping.elementwise
        module = self.module(node)
        for kind, handler in handlers.OF_KINDS:
            if kind.has(node, module):
                return handler
        return Walk.unknown

    def _constant(self, node):
        """A tensor that the forward reads by itself: each element has its own id, and can be removed with a channel."""
        shape = self.shapes[node]
        if not shapes.is_shape(shape):
            return shape
        is_small = 1 < math.prod(shape) <= LARGEST_CONSTANT
        if not is_small or all(map(_is_layer, node.users)) or not _has(self.model, node.target):
            return self.fixed(node)
        if node.target not in self.constants:
            self.constants[node.target] = self.new(math.prod(shape)).reshape(shape.sizes)
        return Value(2 * self.constants[node.target] + 1, tuple(shape))

    def _tie_shared_weights(self):
        """Layers that share one weight lose the same channels."""
        first = {}
        for layer in self.outputs:
            other = first.setdefault(id(self.model.get_submodule(layer).weight), layer)
            if other != layer:
                why = f"it shares its weight with {layer}"
                self.tie(self.outputs[other], self.outputs[layer], why)
                self.tie(self.inputs[other], self.inputs[layer], why)


def _fixed(value: Any) -> Any:
    if shapes.is_shape(value):
        return fixed(value)
    return value


def _is_layer(user):
    """True if a node is a layer's function, which is given the layer's tensors."""
    return any(user.target in kind for kind in (kinds.CONVOLVED, kinds.TRANSFORMED, kinds.NORMS))


def _has(model, name):
    """True if a tensor is the model's own; tracing keeps others that a forward makes of numbers alone."""
    for part in name.split("."):
        if not hasattr(model, part):
            return False
        model = getattr(model, part)
    return True
