"""Fewer layers that compute one function: BatchNorm folded into the layer before it, copies of a map merged.

With s = weight / sqrt(running_var + eps), BatchNorm(W x + b) = (s W) x + (b - running_mean) s + bias.
"""

import copy
from typing import cast

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
    layers = {}
    for name, node in _norms(model, modules).items():
        try:
            layers[name] = _layer_before(name, node, modules)
        except Refused:
            if strict:
                raise
    for name, layer in layers.items():
        _fold(modules[layer], modules[name])
        model.set_submodule(name, nn.Identity())
    return model


def _norms(model, modules):
    """{BatchNorm: the nodes that call it}."""
    names = [name for name, module in modules.items() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    # A network without BatchNorm need not be traceable.
    nodes = list(tracing.traced(model).graph.nodes) if names else []
    return {name: _calls(name, nodes) for name in names}


def _calls(name, nodes):
    """The nodes that call a module."""
    return [node for node in nodes if node.op == "call_module" and node.target == name]


def _layer_before(name, calls, modules):
    """The name of the layer that this BatchNorm can be folded into: it alone reads its output."""
    norm = modules[name]
    if norm.running_mean is None or norm.running_var is None:
        raise Refused(f"BatchNorm {name} has no running statistics; it cannot be folded")
    if len(calls) != 1:
        raise Refused(f"BatchNorm {name} is used {len(calls)} times; only one that is used once can be folded")
    before = calls[0].all_input_nodes[0]
    wanted = nn.Conv2d if isinstance(norm, nn.BatchNorm2d) else nn.Linear
    if not isinstance(readers.module_of(before, modules), wanted):
        raise Refused(
            f"BatchNorm {name} does not follow a convolution or linear layer but {before.target}; it cannot be folded"
        )
    if len(before.users) != 1 or len(_calls(before.target, before.graph.nodes)) != 1:
        raise Refused(f"BatchNorm {name} is not the only one to use {before.target}; it cannot be folded")
    return before.target


@torch.no_grad()
def _fold(layer, norm):
    """Fold in float64: float32 would round every weight twice."""
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    scale, shift = (variance + norm.eps).rsqrt(), 0
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    if norm.bias is not None:
        shift = norm.bias.double()
    centred = -mean
    if layer.bias is not None:
        centred = layer.bias.double() - mean
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.dim() - 1))
    _replace(layer, "bias", centred * scale + shift)
    _replace(layer, "weight", weight)


def _replace(layer, name, values):
    """Put values in the place of a layer's weights or bias, in the type of its weights."""
    like = layer.weight
    setattr(layer, name, nn.Parameter(values.to(like.dtype), requires_grad=like.requires_grad))


def copies_merged(model: nn.Module, example: torch.Tensor) -> nn.Module:
    """The model itself, without the average pools that only copy a 1x1 map into a linear layer.

    At 32x32 pixels VGG16's 7x7 pool makes 49 equal copies of every channel; adding up the columns that read them
    gives the same function with 1/49 of the weights. `example` is a batch (N, C, H, W).
    """
    modules = dict(model.named_modules())
    pools = [name for name, module in modules.items() if isinstance(module, nn.AdaptiveAvgPool2d)]
    for name in pools:
        reader = _linear_behind(name, model, modules)
        if reader is None:
            continue
        shape = _input_shape(model, modules[name], example)
        if shape[2:] == (1, 1):
            _merge(modules[reader], shape[1])
            model.set_submodule(name, nn.Identity())
    return model


def _linear_behind(name, model, modules):
    """The name of the linear layer that alone reads a module's output through nothing but a flatten, or None."""
    nodes = list(tracing.traced(model).graph.nodes)
    calls = _calls(name, nodes)
    if len(calls) != 1:
        return None
    linear = readers.linear_behind(calls[0], modules)
    if linear is None or len(_calls(linear.target, nodes)) != 1:
        return None
    for node in readers.only_readers(calls[0]):
        # Without a flatten, the layer reads rows of the map.
        if node is linear:
            return None
        if kinds.FLATTENED.has(node, readers.module_of(node, modules)):
            return cast(str, linear.target)
    return None


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
    _replace(linear, "weight", linear.weight.double().reshape(linear.out_features, channels, -1).sum(2))
    linear.in_features = channels
