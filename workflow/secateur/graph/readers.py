"""Which layer reads which: the links between convolutions, and what may lie between them."""

import dataclasses
from collections.abc import Collection

import torch
from torch import fx, nn

from secateur import Refused
from secateur.graph import tracing

# What lies between a convolution and the layer that reads it, and keeps channels apart.
CHANNELWISE = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.ReLU,
    nn.Dropout,
    nn.Dropout2d,
    nn.Identity,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
)
CHANNELWISE_FUNCTIONS = (torch.relu, nn.functional.relu)
FLATTEN_FUNCTIONS = (torch.flatten,)


@dataclasses.dataclass(frozen=True)
class Link:
    """A convolution or linear layer, the BatchNorms behind it, and the one layer that reads its channels.

    `copies` is how many inputs of `reader` one channel becomes: 1 for a convolution, the number of positions
    for a linear layer behind a flatten.
    """

    layer: str
    norms: tuple[str, ...]
    reader: str
    copies: int


def links(model: nn.Module, layers: Collection[str] | None = None) -> list[Link]:
    """A Link for every Conv2d of a model, or for these layers, in the order of computation.

    Raises Refused that names the layer whose channels join others (additions, concatenations, grouped
    convolutions) or that nobody reads: those are no channels that can be removed alone.
    """
    graph = tracing.traced(model)
    modules = dict(model.named_modules())
    return [
        _link(node, modules)
        for node in graph.graph.nodes
        if node.op == "call_module"
        and (isinstance(modules[node.target], nn.Conv2d) if layers is None else node.target in layers)
    ]


def _link(node, modules):
    layer, norms, flat = node.target, [], False
    if getattr(modules[layer], "groups", 1) != 1:
        raise Refused(f"the layer {layer} is a grouped convolution; its channels cannot be removed one by one yet")
    while True:
        node = _only_user(node, layer)
        module = modules.get(node.target) if node.op == "call_module" else None
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            return Link(layer, tuple(norms), node.target, _copies(layer, modules[layer], node.target, module, flat))
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            norms.append(node.target)
        flat = flat or is_flatten(node, module)
        if not (is_channelwise(node, module) or is_flatten(node, module)):
            raise Refused(
                f"the channels of layer {layer} reach {node.target} ({node.op}), where they cannot be followed yet"
            )


def _only_user(node, layer):
    users = [user for user in node.users if user.op != "output"]
    if len(users) != 1:
        what = "no other layer" if not users else f"{len(users)} others ({', '.join(map(str, users))})"
        raise Refused(f"the output of layer {layer} is read by {what}; only a single reader is supported yet")
    return users[0]


def _copies(layer, made, reader, module, flat):
    if isinstance(module, nn.Conv2d):
        if module.groups != 1:
            raise Refused(f"{reader} is a grouped convolution; the channels of {layer} cannot be removed alone yet")
        return 1
    flat = flat or isinstance(made, nn.Linear)
    if not flat or module.in_features % len(made.weight):
        raise Refused(f"the linear layer {reader} has {module.in_features} inputs, no multiple of {layer}'s channels")
    return module.in_features // len(made.weight)


def features(values: torch.Tensor) -> torch.Tensor:
    """Features (N, ..., F) of a linear layer as channels at the positions where it is applied: (N, F, positions)."""
    return values.reshape(len(values), -1, values.shape[-1]).transpose(1, 2)


def is_channelwise(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node treats every channel on its own."""
    if node.op == "call_module":
        return isinstance(module, CHANNELWISE)
    return node.op == "call_function" and node.target in CHANNELWISE_FUNCTIONS


def is_flatten(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node lays all positions of all channels in a row."""
    return isinstance(module, nn.Flatten) or (node.op == "call_function" and node.target in FLATTEN_FUNCTIONS)
