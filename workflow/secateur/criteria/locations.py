"""Where activation and normalisation of a convolution lie in the graph, and which convolutions make up a stage."""

from collections.abc import Collection, Mapping

import torch
from torch import fx, nn

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.graph import readers, shapes, tracing

# ---- where a channel is found ----------------------------------------------------------------------------------

ACTIVATIONS = kinds.ACTIVATIONS | kinds.PRELU
# They change a channel's scale at most.
SCALING = kinds.BATCHNORMS | kinds.DROPOUT | kinds.IDENTITY


def stages(model: nn.Module, example: torch.Tensor) -> dict[str, int]:
    """{layer: stage}: layers with maps of equal height and width are one, counted from 0 in network order.

    Linear layers behind a flatten are a stage of their own.
    """
    modules, traced = dict(model.named_modules()), tracing.traced(model)
    found = shapes.of_every_node(traced, example)
    sizes = {}
    for layer, nodes in _called(traced, modules).items():
        size = found[nodes[0]].sizes
        sizes[layer] = size[2:] if isinstance(modules[layer], nn.Conv2d) else size[1:-1]
    order = list(dict.fromkeys(sizes.values()))
    return {layer: order.index(size) for layer, size in sizes.items()}


def calls(
    traced: fx.GraphModule, modules: Mapping[str, nn.Module], layers: Collection[str] | None
) -> dict[str, list[fx.Node]]:
    """{layer: [node, ...]} of these layers that a traced model calls, or of every Conv2d, in its order.

    Raises Refused for one that is no Conv2d or Linear, or that it does not call.
    """
    found = _called(traced, modules)
    if layers is None:
        return {layer: nodes for layer, nodes in found.items() if isinstance(modules[layer], nn.Conv2d)}
    foreign = [layer for layer in layers if layer not in found]
    if foreign:
        raise Refused(f"the network calls no layer {foreign[0]} with weights; it calls {', '.join(found)}")
    return {layer: nodes for layer, nodes in found.items() if layer in layers}


def _called(traced, modules):
    """{layer: [node, ...]} of every Conv2d and Linear that a traced model calls, in its order."""
    found = {}
    for node in traced.graph.nodes:
        if node.op == "call_module" and isinstance(modules[node.target], (nn.Conv2d, nn.Linear)):
            found.setdefault(node.target, []).append(node)
    return found


def norm(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """The BatchNorm right behind a layer's node, or None."""
    return _behind(node, modules, kinds.BATCHNORMS, SCALING)


def activation(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node:
    """Where a channel's activation is: the first activation behind BatchNorm, and behind an addition that it enters.

    Without one, as in a linear bottleneck or before a concatenation, it is what BatchNorm gives, or the convolution.
    """
    return _behind(node, modules, ACTIVATIONS, SCALING | kinds.SUMS) or norm(node, modules) or node


def _behind(node, modules, wanted, passed):
    """The first node of a kind on the way on which each has one reader and all others are `passed`, or None."""
    for reader in readers.only_readers(node):
        module = modules.get(reader.target) if reader.op == "call_module" else None
        if wanted.has(reader, module):
            return reader
        if not passed.has(reader, module):
            return None
    return None
