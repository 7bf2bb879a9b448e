"""Where activation and normalisation of a convolution lie in the graph, and which convolutions make up a stage."""

import operator
from collections.abc import Collection, Mapping

import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur import Refused
from secateur.graph import shapes, tracing

# ---- where a channel is found ----------------------------------------------------------------------------------

ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh),
)
ACTIVATION_FUNCTIONS = (
    *(
        torch.relu,
        torch.relu_,
        F.relu,
        F.relu6,
        F.leaky_relu,
        F.elu,
        F.selu,
        F.celu,
        F.gelu,
        F.silu,
        F.mish,
        F.softplus,
    ),
    *(F.hardswish, F.hardtanh, torch.sigmoid, torch.tanh),
)
ACTIVATION_METHODS = ("relu", "relu_", "sigmoid", "tanh")
ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
# What changes a channel's scale at most.
OWN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Identity)


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
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    return _behind(node, lambda user: _is(user, modules, norms), lambda user: _is(user, modules, OWN))


def activation(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node:
    """Where a channel's activation is: the first activation behind BatchNorm, and behind an addition that it enters.

    Without one, as in a linear bottleneck or before a concatenation, it is what BatchNorm gives, or the convolution.
    """
    passed = _behind(node, lambda user: _is_activation(user, modules), lambda user: _is_own(user, modules))
    return passed or norm(node, modules) or node


def _behind(node, wanted, through):
    """The first node that is `wanted` on the way on which each has one reader and is one to go `through`, or None."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        if wanted(node):
            return node
        if not through(node):
            return None
    return None


def _is(node, modules, kinds):
    return node.op == "call_module" and isinstance(modules[node.target], kinds)


def _is_own(node, modules):
    added = node.op in ("call_function", "call_method") and node.target in ADDITIONS
    return added or _is(node, modules, OWN) or (node.op == "call_function" and node.target is F.dropout)


def _is_activation(node, modules):
    if node.op == "call_module":
        return isinstance(modules[node.target], ACTIVATIONS)
    known = {"call_function": ACTIVATION_FUNCTIONS, "call_method": ACTIVATION_METHODS}
    return node.target in known.get(node.op, ())
