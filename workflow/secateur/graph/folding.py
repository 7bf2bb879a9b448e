"""The same function with fewer layers: BatchNorm folded into the layer before it, copies of a map merged.

With s = weight / sqrt(running_var + eps), BatchNorm(W x + b) = (s W) x + (b - running_mean) s + bias.
"""

import copy
import itertools

import torch
from torch import nn

from secateur import Refused
from secateur.graph import modes, readers, tracing
from secateur.graph import operation_kinds as kinds


def folded(model: nn.Module, strict: bool = True) -> nn.Module:
    """A copy in eval mode with every BatchNorm folded into the convolution (or linear layer) right before it.

    Identity stands where BatchNorm stood, so that names stay. Raises Refused that names a BatchNorm which
    follows no such layer, shares it with another reader, or has no running statistics; without `strict`, such a
    BatchNorm is left in place.
    """
    model = copy.deepcopy(model).eval()
    modules = dict(model.named_modules())
    norms = [name for name, module in modules.items() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    # A network without BatchNorm need not be traceable.
    nodes = list(tracing.traced(model).graph.nodes) if norms else []
    pairs = []
    for name in norms:
        try:
            pairs.append((name, _layer_before(name, nodes, modules)))
        except Refused:
            if strict:
                raise
    for name, layer in pairs:
        _fold(modules[layer], modules[name])
        model.set_submodule(name, nn.Identity())
    return model


def _layer_before(name, nodes, modules):
    """The name of the layer that this BatchNorm can be folded into: it alone reads its output."""
    if modules[name].running_mean is None or modules[name].running_var is None:
        raise Refused(f"BatchNorm {name} has no running statistics; it cannot be folded")
    calls = [node for node in nodes if node.op == "call_module" and node.target == name]
    if len(calls) != 1:
        raise Refused(f"BatchNorm {name} is used {len(calls)} times; only one that is used once can be folded")
    before = calls[0].all_input_nodes[0]
    module = modules.get(before.target) if before.op == "call_module" else None
    if not isinstance(module, nn.Conv2d if isinstance(modules[name], nn.BatchNorm2d) else nn.Linear):
        raise Refused(
            f"BatchNorm {name} does not follow a convolution or linear layer but {before.target}; it cannot be folded"
        )
    uses = sum(node.op == "call_module" and node.target == before.target for node in nodes)
    if len(before.users) != 1 or uses != 1:
        raise Refused(f"BatchNorm {name} is not the only one to use {before.target}; it cannot be folded")
    return before.target


@torch.no_grad()
def _fold(layer, norm):
    """Fold in float64: float32 would round every weight twice."""
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    scale = (variance + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight.double())
    shift = 0 if norm.bias is None else norm.bias.double()
    bias = (-mean if layer.bias is None else layer.bias.double() - mean) * scale + shift
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.dim() - 1))
    trains = layer.weight.requires_grad
    layer.weight = nn.Parameter(weight.to(layer.weight.dtype), requires_grad=trains)
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype), requires_grad=trains)


def copies_merged(model: nn.Module, example: torch.Tensor) -> nn.Module:
    """The model itself, without the average pools that only copy a 1x1 map into a linear layer.

    At 32x32 pixels VGG16's 7x7 pool makes 49 equal copies of every channel; adding up the columns that read them
    gives the same function with 1/49 of the weights. `example` is a batch (N, C, H, W).
    """
    modules = dict(model.named_modules())
    pools = [name for name, module in modules.items() if isinstance(module, nn.AdaptiveAvgPool2d)]
    for name in pools:
        reader = _linear_behind(name, model, modules)
        if reader and _input_shape(model, modules[name], example)[2:] == (1, 1):
            _merge(modules[reader], _input_shape(model, modules[name], example)[1])
            model.set_submodule(name, nn.Identity())
    return model


def _linear_behind(name, model, modules):
    """The name of the linear layer that alone reads a module's output through nothing but a flatten, or None."""
    nodes = list(tracing.traced(model).graph.nodes)
    calls = _calls(name, nodes)
    linear = readers.linear_behind(calls[0], modules) if len(calls) == 1 else None
    if linear is None or len(_calls(linear.target, nodes)) != 1:
        return None
    # Without a flatten, it reads rows of the map.
    between = itertools.takewhile(lambda reader: reader is not linear, readers.only_readers(calls[0]))
    flat = any(kinds.FLATTENED.has(node, modules.get(node.target)) for node in between)
    return linear.target if flat else None


def _calls(name, nodes):
    """The nodes that call a module."""
    return [node for node in nodes if node.op == "call_module" and node.target == name]


def _input_shape(model, module, example):
    shapes = []
    handle = module.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    try:
        with torch.no_grad(), modes.evaluating(model):
            model(example[:1])
    finally:
        handle.remove()
    return shapes[0]


@torch.no_grad()
def _merge(linear, channels):
    """Add up, in float64, the columns that read the copies of one channel."""
    weight = linear.weight.double().reshape(linear.out_features, channels, -1).sum(2)
    linear.weight = nn.Parameter(weight.to(linear.weight.dtype), requires_grad=linear.weight.requires_grad)
    linear.in_features = channels
