"""BatchNorm folded into the layer before it: the same function with fewer layers.

With s = weight / sqrt(running_var + eps), BatchNorm(W x + b) = (s W) x + (b - running_mean) s + bias.
"""

import copy

import torch
from torch import nn

from secateur import graph


def folded(model, strict=True):
    """A copy in eval mode with every BatchNorm folded into the convolution (or linear layer) right before it.

    Identity stands where BatchNorm stood, so that names stay. Raises ValueError that names a BatchNorm which
    follows no such layer, shares it with another reader, or has no running statistics; without `strict`, such a
    BatchNorm is left in place.
    """
    model = copy.deepcopy(model).eval()
    modules = dict(model.named_modules())
    norms = [name for name, module in modules.items() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    # A network without BatchNorm need not be traceable.
    nodes = list(graph.traced(model).graph.nodes) if norms else []
    pairs = []
    for name in norms:
        try:
            pairs.append((name, _layer_before(name, nodes, modules)))
        except ValueError:
            if strict:
                raise
    for name, layer in pairs:
        _fold(modules[layer], modules[name], name)
        model.set_submodule(name, nn.Identity())
    return model


def _layer_before(name, nodes, modules):
    """The name of the layer whose output this BatchNorm alone reads."""
    calls = [node for node in nodes if node.op == "call_module" and node.target == name]
    if len(calls) != 1:
        raise ValueError(f"BatchNorm {name} is used {len(calls)} times; only one that is used once can be folded")
    before = calls[0].all_input_nodes[0]
    module = modules.get(before.target) if before.op == "call_module" else None
    if not isinstance(module, nn.Conv2d if isinstance(modules[name], nn.BatchNorm2d) else nn.Linear):
        raise ValueError(
            f"BatchNorm {name} does not follow a convolution or linear layer but {before.target}; it cannot be folded"
        )
    uses = sum(node.op == "call_module" and node.target == before.target for node in nodes)
    if len(before.users) != 1 or uses != 1:
        raise ValueError(f"BatchNorm {name} is not the only one to use {before.target}; it cannot be folded")
    return before.target


@torch.no_grad()
def _fold(layer, norm, name):
    """Fold in float64: float32 would round every weight twice."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"BatchNorm {name} has no running statistics; it cannot be folded")
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    scale = (variance + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight.double())
    shift = 0 if norm.bias is None else norm.bias.double()
    bias = (-mean if layer.bias is None else layer.bias.double() - mean) * scale + shift
    weight = layer.weight.double() * scale.view(-1, *[1] * (layer.weight.dim() - 1))
    trains = layer.weight.requires_grad
    layer.weight = nn.Parameter(weight.to(layer.weight.dtype), requires_grad=trains)
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype), requires_grad=trains)
