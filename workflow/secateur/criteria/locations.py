"""Locations in the graph: the activation and normalisation of a convolution, and the convolutions of a stage."""

from collections.abc import Collection, Mapping

import torch
from torch import fx, nn

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.graph import readers, shapes, tracing

ACTIVATIONS = kinds.ACTIVATIONS | kinds.PRELU
# They change a channel's scale at most.
SCALING = kinds.BATCHNORMS | kinds.DROPOUT | kinds.IDENTITY


def stages(model: nn.Module, example: torch.Tensor) -> dict[str, int]:
    """{layer: stage}: layers with maps of equal height and width form a stage, counted from 0 in network order.

    Linear layers behind a flatten are a stage of their own.
    """
    modules, traced = dict(model.named_modules()), tracing.traced(model)
    shape_of = shapes.of_every_node(traced, example)
    sizes = {}
    for layer, nodes in _called(traced, modules).items():
        size = shape_of[nodes[0]].sizes
        sizes[layer] = size[2:] if isinstance(modules[layer], nn.Conv2d) else size[1:-1]
    order = list(dict.fromkeys(sizes.values()))
    return {layer: order.index(size) for layer, size in sizes.items()}


def calls(
    traced: fx.GraphModule, modules: Mapping[str, nn.Module], layers: Collection[str] | None
) -> dict[str, list[fx.Node]]:
    """{layer: [node, ...]} of these layers that a traced model calls, or of every Conv2d, in its order.

    Raises Refused for one that is no Conv2d or Linear, or that it does not call.
    """
    called = _called(traced, modules)
    if layers is None:
        layers = [layer for layer in called if isinstance(modules[layer], nn.Conv2d)]
    for layer in layers:
        if layer not in called:
            raise Refused(f"the network calls no layer {layer} with weights; it calls {', '.join(called)}")
    return {layer: nodes for layer, nodes in called.items() if layer in layers}


def _called(traced, modules):
    """{layer: [node, ...]} of every Conv2d and Linear that a traced model calls, in its order."""
    called = {}
    for node in traced.graph.nodes:
        if isinstance(readers.module_of(node, modules), (nn.Conv2d, nn.Linear)):
            called.setdefault(node.target, []).append(node)
    return called


def norm(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """The BatchNorm right behind a layer's node, or None."""
    return _behind(node, modules, kinds.BATCHNORMS, SCALING)


def activation(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node:
    """The node of a channel's activation: the first behind BatchNorm, and behind an addition that the channel enters.

    Without one, as in a linear bottleneck or before a concatenation, it is BatchNorm's node, or the convolution's.
    """
    return _behind(node, modules, ACTIVATIONS, SCALING | kinds.SUMS) or norm(node, modules) or node


def _behind(node, modules, wanted, passed):
    """The first `wanted` node on the way on which each has one reader and all others are `passed`, or None."""
    for reader in readers.only_readers(node):
        module = readers.module_of(reader, modules)
        if wanted.has(reader, module):
            return reader
        if not passed.has(reader, module):
            return None
    return None
