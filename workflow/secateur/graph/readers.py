"""Links between layers: ways through the graph on which each value has a single reader."""

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import cast

import torch
from torch import fx, nn

from secateur import Refused
from secateur.graph import operation_kinds as kinds

# Each channel passes them by itself, and channels stay in their order.
CHANNELWISE = (
    *(kinds.ELEMENTWISE, kinds.PRELU, kinds.MOVED, kinds.NORMS),
    *(kinds.SPATIAL, kinds.REDUCED, kinds.RESHAPED),
)
REMEDY = "read relevance at the layers' own outputs instead (at: output)"


@dataclasses.dataclass(frozen=True)
class Link:
    """A call of a convolution or linear layer, the only layer that reads it, and the operations between them."""

    node: fx.Node
    between: tuple[fx.Node, ...]
    reader: fx.Node


def only_readers(node: fx.Node, ignored: Collection[fx.Node] = ()) -> Iterator[fx.Node]:
    """The reader of a node, the reader of that, and so on, as long as each value has one; `ignored` do not count."""
    while True:
        users = readers(node, ignored)
        if len(users) != 1:
            return
        (node,) = users
        yield node


def readers(node: fx.Node, ignored: Collection[fx.Node] = ()) -> list[fx.Node]:
    """The nodes that read a node, without those `ignored`."""
    return [user for user in node.users if user not in ignored]


def module_of(node: fx.Node, modules: Mapping[str, nn.Module]) -> nn.Module | None:
    """The module that a node calls, None if it calls none; `modules` are all of the model by name."""
    return modules[cast(str, node.target)] if node.op == "call_module" else None


def sizes(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    """The nodes that compute sizes, by reads of shapes and arithmetic on them, or zeros of such a size."""
    computing = set()
    for node in nodes:
        inputs = node.all_input_nodes
        if kinds.is_size(node) or (inputs and computing.issuperset(inputs)):
            computing.add(node)
    return computing


def links(nodes: Iterable[fx.Node], modules: Mapping[str, nn.Module], layers: Collection[str]) -> list[Link]:
    """A Link for every call of these layers, in the order of computation.

    Raises Refused that names a layer whose channels join others (additions, concatenations) or are mixed before the
    next layer, that several operations read, or none.
    """
    nodes = list(nodes)
    # A network that gives a map beside its logits gives it to nobody that reads it.
    ignored = sizes(nodes).union(filter(_is_output, nodes))
    calls = []
    for node in nodes:
        if node.op == "call_module" and node.target in layers:
            calls.append(_link(node, modules, ignored))
    return calls


def _is_output(node):
    return node.op == "output"


def _link(node, modules, ignored):
    between = []
    for reader in only_readers(node, ignored):
        module = module_of(reader, modules)
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            return Link(node, tuple(between), reader)
        if not keeps_channels(reader, module):
            raise Refused(
                f"the channels of layer {node.target} reach {_named(reader)}, behind which they are not those of this "
                f"layer alone: {REMEDY}"
            )
        between.append(reader)
    last = between[-1] if between else node
    raise Refused(
        f"the output of layer {node.target} is read by {_counted(readers(last, ignored))}, not by a single layer: "
        f"{REMEDY}"
    )


def _named(node):
    """A node in words: the layer, or the function with its name in the graph."""
    if node.op == "call_module":
        return str(node.target)
    return f"{node.name} ({getattr(node.target, '__name__', node.target)})"


def _counted(users):
    if not users:
        return "no other layer"
    return f"{len(users)} others ({', '.join(map(str, users))})"


def keeps_channels(node: fx.Node, module: nn.Module | None) -> bool:
    """True if a node computes every channel from that channel alone, and leaves the channels in their order."""
    if kinds.is_stochastic_depth(node) or any(kind.has(node, module) for kind in CHANNELWISE):
        return True
    if kinds.PADDED_ANYWHERE.has(node, module):
        pad = kinds.argument(node, 1, "pad")
        return isinstance(pad, (tuple, list)) and len(pad) <= 4
    # With a number, or with itself.
    return kinds.JOINED.has(node, module) and len(node.all_input_nodes) == 1


def linear_behind(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """The call of a linear layer that alone reads a node, with nothing but flatten and dropout between, or None."""
    for reader in only_readers(node):
        module = module_of(reader, modules)
        if isinstance(module, nn.Linear):
            return reader
        if not (isinstance(module, (nn.Dropout, nn.Identity)) or kinds.FLATTENED.has(reader, module)):
            return None
    return None


def features(values: torch.Tensor) -> torch.Tensor:
    """Features (N, ..., F) of a linear layer as channels at the positions where it is applied: (N, F, positions)."""
    return values.reshape(len(values), -1, values.shape[-1]).transpose(1, 2)
