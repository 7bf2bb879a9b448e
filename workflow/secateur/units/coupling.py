"""Which channel is which: the channels of every layer, followed through the traced graph to all that read them.

Every output channel of a layer is given a number, and numbers travel with the tensors. What is joined elementwise
(additions, gates, depthwise convolutions, a layer that is called twice) is tied: it can only go together. Zeros that
pad channels have numbers of their own, so that a shortcut's padding goes with the channels it is added to. What each
operation makes of numbers stands in `operations.py`; what stands nowhere is protected by name: what reaches it cannot
be removed.
"""

import dataclasses
import functools
import math
import operator

import numpy as np
import torch
from torch import fx, nn

from secateur import cost
from secateur.graph import modes, shapes, tracing
from secateur.graph import operation_kinds as kinds
from secateur.units import operations
from secateur.units.channel_ids import FIXED, Value, fixed, values_in

# Constants with more elements than this (embeddings, masks) are fixed.
LARGEST_CONSTANT = 1 << 16


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Coupling:
    """Which channels of a model are coupled: a model that was followed from the images to its output.

    Arrays hold bundle ids: channels with the same one can only be removed together.
    """

    model: nn.Module
    graph: fx.GraphModule  # the model as it was traced
    convolutions: tuple[str, ...]  # names of layers, in the order of computation; so are all that follow
    outputs: dict[str, np.ndarray]  # {layer: (channels,)} of convolutions and linear layers: what each puts out
    inputs: dict[str, np.ndarray]  # the same of what each reads
    norms: dict[str, np.ndarray]  # {module: (channels,)} of whatever else has parameters for each channel
    constants: dict[str, np.ndarray]  # {name: (...)} of tensors that the forward reads by itself, in their shape
    unsilenced: dict[str, np.ndarray]  # {layer: (columns,)}: inputs that stay nonzero under masking
    grouped: dict[str, operations.Grouped]  # {layer: how its groups divide channels} of grouped convolutions
    reasons: dict[int, str]  # {bundle: why it cannot be removed}
    added: np.ndarray  # (bundles,) bool: whether an addition joins it
    positions: dict[str, int]  # {layer: how often its weights are applied to one image}
    sizes: np.ndarray  # (bundles,) channels of convolutions in each; of hidden ones, features of linear layers
    hidden: np.ndarray  # (bundles,) bool: features of linear layers alone
    values: dict[fx.Node, Value]  # {node: its channels}, or tuples of them
    plain: dict[fx.Node, object]  # {node: what it gives} of nodes that give no tensor: sizes and counts
    fitted: tuple[fx.Node, ...]  # nodes whose arguments may have to change when channels are removed

    @functools.cached_property
    def protected(self) -> np.ndarray:
        found = np.zeros(len(self.sizes), bool)
        found[list(self.reasons)] = True
        return found

    @functools.cached_property
    def listed(self) -> tuple[str, ...]:
        """The layers that a list of channels can name: convolutions, and linear layers with features of their own."""
        return tuple(layer for layer in self.outputs if self.own(layer).any())

    def own(self, layer: str) -> np.ndarray:
        """Which of a layer's channels a list can name, (channels,) bool; a gate's rows go with what they multiply."""
        hidden = self.hidden[self.outputs[layer]]
        return np.ones_like(hidden) if layer in self.convolutions else hidden

    @functools.cached_property
    def counter(self) -> cost.Counter:
        """The `cost.Counter` of the model."""
        return cost.Counter(self)


def followed(model: nn.Module, example: torch.Tensor | None = None) -> Coupling:
    """The Coupling of a model that torch.fx can trace; `example` is a batch (N, C, H, W), of which the shape counts.

    A forward that asks how large its images are is followed for images of that size. Without an example, the model is
    followed at the first square size that it takes. Nothing is computed with weights where torch's meta device will do.
    Raises Refused for a model that cannot be traced or run.
    """
    with modes.evaluating(model):
        traced = tracing.traced(model, None if example is None else tuple(example.shape[1:]))
    return _Walk(model, traced, shapes.of_every_node(traced, example)).coupling()


# ---- the walk ------------------------------------------------------------------------------------------------


class _Walk:
    """One pass over the nodes of a graph; what it gathers becomes a Coupling."""

    def __init__(self, model, traced, shapes):
        self.model, self.traced, self.shapes = model, traced, shapes
        self.names = {id(module): name for name, module in model.named_modules()}
        self.count = FIXED + 1
        self.values, self.ties, self.reasons, self.added = {}, [], [], []
        self.outputs, self.inputs, self.norms, self.constants = {}, {}, {}, {}
        self.convolutions, self.unsilenced, self.grouped, self.positions = [], {}, {}, {}
        self.fitted = []

    def coupling(self):
        for node in self.traced.graph.nodes:
            self.values[node] = self._value(node)
        self._tie_shared_weights()
        bundle = _bundles(self.count, self.ties)
        of = lambda parts: {name: bundle[numbers] for name, numbers in parts.items()}  # noqa: E731
        reasons = {}
        for numbers, reason in self.reasons:
            for number in np.unique(bundle[numbers]):
                reasons.setdefault(int(number), reason)
        reasons.setdefault(FIXED, "it is no channel of a layer")
        outputs = of(self.outputs)
        sizes, features = np.zeros(self.count, int), np.zeros(self.count, int)
        for layer, numbers in outputs.items():
            counted = sizes if layer in self.convolutions else features
            counted += np.bincount(numbers, minlength=self.count)
        hidden = (sizes == 0) & (features > 0)
        sizes[hidden] = features[hidden]
        added = np.zeros(self.count, bool)
        for numbers in self.added:
            added[bundle[numbers]] = True
        added[FIXED] = False
        return Coupling(
            model=self.model,
            graph=self.traced,
            convolutions=tuple(self.convolutions),
            outputs=outputs,
            inputs=of(self.inputs),
            norms=of(self.norms),
            constants=of(self.constants),
            unsilenced=self.unsilenced,
            grouped=self.grouped,
            reasons=reasons,
            added=added,
            positions=self.positions,
            sizes=sizes,
            hidden=hidden,
            values={node: _mapped(value, bundle) for node, value in self.values.items()},
            plain={node: found for node, found in self.shapes.items() if not shapes.is_tensor(found)},
            fitted=tuple(self.fitted),
        )

    # ---- bookkeeping

    def new(self, count):
        self.count += count
        return np.arange(self.count - count, self.count)

    def tie(self, first, second, why):
        """Numbers that meet go together; what meets something fixed stays."""
        first, second = (part.ravel() for part in np.broadcast_arrays(first, second))
        differ = first != second
        first, second = first[differ], second[differ]
        for one, other in ((first, second), (second, first)):
            held = one[other == FIXED]
            if len(held):
                self.reasons.append((held, why))
        free = (first != FIXED) & (second != FIXED)
        if free.any():
            self.ties.append((first[free], second[free]))

    def protect(self, value, why):
        for one in values_in(value):
            numbers = np.unique(one.numbers)
            self.reasons.append((numbers[numbers != FIXED], why))

    def fixed(self, node):
        """The result of something that cannot be followed."""
        return fx.node.map_aggregate(self.shapes[node], lambda found: fixed(found) if shapes.is_shape(found) else found)

    def unknown(self, node, args, kwargs):
        self.protect((args, kwargs), f"its channels reach {self.called(node)}, through which they cannot be followed")
        return self.fixed(node)

    def module(self, node):
        return self.traced.get_submodule(node.target) if node.op == "call_module" else None

    def layer(self, node, kind):
        """The layer that a node calls, or whose weights a function is given; None if it is of another kind."""
        if node.op == "call_module":
            return self.module(node)
        read = node.args[1] if len(node.args) > 1 else None
        if not isinstance(read, fx.Node) or read.op != "get_attr":
            return None
        owner = self.model.get_submodule(read.target.rpartition(".")[0])
        own = read.target.rpartition(".")[2] == ("running_mean" if kind is kinds.NORMS else "weight")
        return owner if own and isinstance(owner, kind.modules) else None

    def called(self, node):
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
        args, kwargs = (fx.node.map_arg(part, self.values.__getitem__) for part in (node.args, node.kwargs))
        if node.op == "output":
            self.protect(args, "its channels are what the model puts out")
            return None
        if not values_in((args, kwargs)):
            return self.fixed(node)
        if node.target is operator.getitem and not isinstance(args[0], Value):
            return args[0][args[1]]
        if not any(shapes.is_shape(one) for one in shapes.flat(self.shapes[node])):
            return self.shapes[node]
        return self._handler(node)(self, node, args, kwargs)

    def _handler(self, node):
        if kinds.is_stochastic_depth(node):
            return operations.elementwise
        for kind, handler in operations.OF_KINDS:
            if kind.has(node, self.module(node)):
                return handler
        return _Walk.unknown

    def _constant(self, node):
        """A tensor that the forward reads by itself: each element has its own number, and can go with a channel."""
        shape = self.shapes[node]
        if not shapes.is_shape(shape):
            return shape
        of_layers = all(user.target in kinds.CONVOLVED | kinds.TRANSFORMED | kinds.NORMS for user in node.users)
        if not 1 < math.prod(shape) <= LARGEST_CONSTANT or of_layers or not _has(self.model, node.target):
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


def _has(model, name):
    """Whether a tensor is the model's own; tracing keeps others that a forward makes of numbers alone."""
    for part in name.split("."):
        if not hasattr(model, part):
            return False
        model = getattr(model, part)
    return True


def _bundles(count, ties):
    """The smallest number that each number is tied to, directly or not."""
    labels = np.arange(count)
    if not ties:
        return labels
    first, second = (np.concatenate(part) for part in zip(*ties, strict=True))
    while True:
        one, other = labels[first], labels[second]
        low = np.minimum(one, other)
        new = labels.copy()
        np.minimum.at(new, one, low)
        np.minimum.at(new, other, low)
        while not np.array_equal(jumped := new[new], new):
            new = jumped
        if np.array_equal(new, labels):
            return labels
        labels = new


def _mapped(value, bundle):
    def mapped(one):
        return Value(2 * bundle[one.numbers] + (one.codes & 1), one.shape) if isinstance(one, Value) else one

    return fx.node.map_aggregate(value, mapped)
