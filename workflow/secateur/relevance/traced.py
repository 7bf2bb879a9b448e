"""A model as the graph that relevance runs through, and one batch's forward pass on it."""

import dataclasses
import operator
import typing
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_arg
from torch.nn import functional as F
from torch.nn.modules.utils import _pair

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.graph import readers, tracing
from secateur.relevance.signs import Signs


@dataclasses.dataclass(frozen=True, eq=False)
class Forward:
    """One batch's forward pass: all values, and what the backward pass needs beside them."""

    values: dict[fx.Node, Any] = dataclasses.field(default_factory=dict)  # {node: its value}
    # {convolution or linear layer: what its rule keeps of the pass}; a backward pass may overwrite it.
    kept: dict[fx.Node, torch.Tensor | None] = dataclasses.field(default_factory=dict)
    winners: dict[fx.Node, torch.Tensor] = dataclasses.field(default_factory=dict)  # {max pool: index of each winner}
    # {linear layer: how many equal inputs stand for one value that it is given}, where a pool copied a map of 1x1.
    copies: dict[fx.Node, int] = dataclasses.field(default_factory=dict)


class Graph:
    """The nodes of a traced model in order, and what each computes.

    `pool` is one of `unweighted_layers.POOLS`, or "plain": then every node passes its plain gradient. `bias` counts
    what an addition adds that does not depend on the images, as a bias is counted. Raises Refused for a model that
    does not give one tensor of logits.
    """

    def __init__(self, model: nn.Module, pool: str, bias: bool = False) -> None:
        self.nodes = list(tracing.traced(model).graph.nodes)
        self.modules = dict(model.named_modules())
        self.model, self.pool, self.bias = model, pool, bias
        self.sizes = readers.sizes(self.nodes)
        self.seen = self._depending()
        self.logits = self._logits()
        self.signs = Signs(self)

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module that a node calls, None if it calls none."""
        return readers.module_of(node, self.modules)

    def has(self, node: fx.Node, kind: kinds.Kind) -> bool:
        """True if a node is an operation of this kind."""
        return kind.has(node, self.module(node))

    def is_linear(self, node: fx.Node) -> bool:
        """True if a node calls a convolution or a linear layer."""
        return isinstance(self.module(node), (nn.Conv2d, nn.Linear))

    def linear(self, node: fx.Node) -> nn.Conv2d | nn.Linear:
        """The convolution or linear layer that a node calls, for which `is_linear` is true."""
        return typing.cast(nn.Conv2d | nn.Linear, self.module(node))

    def reads_images(self, node: fx.Node) -> bool:
        """True if a node reads nothing but the images."""
        return all(source.op == "placeholder" for source in node.all_input_nodes)

    def called(self, node: fx.Node) -> str:
        """A node in words: its name with the type of the layer, or the function."""
        module = self.module(node)
        if module is not None:
            return f"the layer {node.name} ({type(module).__name__})"
        return f"the layer {node.name} ({getattr(node.target, '__name__', node.target)})"

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """The inputs of a node that depend on the images by more than their size."""
        return [source for source in node.all_input_nodes if source in self.seen]

    def _depending(self):
        """The nodes whose values depend on the images by more than their size."""
        depending = {self.nodes[0]}
        for node in self.nodes:
            if node not in self.sizes and not depending.isdisjoint(node.all_input_nodes):
                depending.add(node)
        return depending

    def _logits(self):
        """The node that gives the logits: the output, or the input of a softmax at the end."""
        node = self.nodes[-1].args[0]
        if not isinstance(node, fx.Node):
            raise Refused(
                f"the model gives {type(node).__name__} and not one tensor of logits (N, classes): wrap it in a module "
                "that gives the logits alone"
            )
        while self.has(node, kinds.SOFTMAX) and self._softmax_dim(node) in (None, 1, -1):
            node = node.all_input_nodes[0]
        return node

    def _softmax_dim(self, node):
        module = self.module(node)
        if module is not None:
            return module.dim
        return kinds.argument(node, 1, "dim")

    def before(self, node: fx.Node) -> set[fx.Node]:
        """All nodes whose values a node depends on, itself among them."""
        reached, ahead = set(), [node]
        while ahead:
            other = ahead.pop()
            if other not in reached:
                reached.add(other)
                ahead += other.all_input_nodes
        return reached

    def crossed(self) -> list[fx.Node]:
        """The dominators of the output: nodes that every path from the images crosses, in order."""
        before = {}
        for node in self.nodes:
            ways = [before[source] for source in self.sources(node) if source in before]
            if ways or node.op == "placeholder":
                before[node] = [*_in_all(ways), node]
        return before.get(self.logits, [])

    # ---- forward

    def compute(self, node: fx.Node, forward: Forward) -> None:
        """Put the value of a node into a forward pass that holds those of the nodes before it."""
        forward.values[node] = self._value(node, forward)

    def _value(self, node, forward):
        if node.op == "output":
            return forward.values[self.logits]
        if node.op == "get_attr":
            return operator.attrgetter(node.target)(self.model)
        if self.is_copied_map(node, forward.values):
            # A 1x1 map that a pool copies is read once: the linear layer behind adds up the columns of its copies.
            pool = typing.cast(nn.AdaptiveAvgPool2d, self.module(node))
            height, width = _pair(pool.output_size)
            linear = readers.linear_behind(node, self.modules)
            forward.copies[linear] = (height or 1) * (width or 1)
            return forward.values[node.all_input_nodes[0]]
        if self.keeps_winners(node):
            value, forward.winners[node] = _max_pool(self.module(node), forward.values[node.all_input_nodes[0]])
            return value
        return self.computed(node, forward.values)

    def computed(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """The node's function on the values of its input nodes, out of place."""
        args = map_arg(node.args, values.__getitem__)
        kwargs = {key: argument for key, argument in node.kwargs.items() if key != "inplace"}
        kwargs = map_arg(kwargs, values.__getitem__)
        module = self.module(node)
        if module is not None:
            return module(*args, **kwargs)
        target = kinds.OUT_OF_PLACE.get(node.target, node.target)
        if node.op == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        return target(*args, **kwargs)

    def is_copied_map(self, node: fx.Node, values: dict[fx.Node, Any]) -> bool:
        """True if a node is an adaptive average pool that only copies a map of 1x1 into a linear layer."""
        if not isinstance(self.module(node), nn.AdaptiveAvgPool2d) or self.pool == "plain":
            return False
        if values[node.all_input_nodes[0]].shape[-2:] != (1, 1):
            return False
        return readers.linear_behind(node, self.modules) is not None

    def keeps_winners(self, node: fx.Node) -> bool:
        """True if a node is a max pool, of which a forward pass keeps the winners."""
        module = self.module(node)
        return type(module) is nn.MaxPool2d and not module.return_indices


def without_inplace(model: nn.Module) -> nn.Module:
    """A model with activations that leave their input alone; changes the model that is given."""
    for module in model.modules():
        if getattr(module, "inplace", False):
            # torch's types know attributes of modules as tensors and modules only.
            module.inplace = False  # pyright: ignore[reportArgumentType]
    return model


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors of floats within a value, in order."""
    if isinstance(value, torch.Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (tuple, list)):
        return []
    return [tensor for part in value for tensor in tensors(part)]


def _in_all(ways):
    """The nodes that all ways cross, in the order of the first."""
    if not ways:
        return []
    shared = set(ways[0]).intersection(*ways)
    return filter(shared.__contains__, ways[0])


def _max_pool(module, x):
    """(value, index of each winner): the indices are kept, so that relevance need not find them again."""
    shape = module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
    return F.max_pool2d_with_indices(x, *shape)
