"""A pruned network with fresh weights, or with first weights that were drawn anew."""

import math

import torch
from torch import nn

from secateur.models import description, first_values
from secateur.retraining import steps
from secateur.study import seeds


def fresh(described: description.NetworkDescription, plan: dict[str, list[int]], seed: int) -> nn.Module:
    """A network of the widths that a plan leaves, with random weights; equal seeds start from equal dense networks.

    The weights are drawn as for the dense network and then lose the plan's channels. Each layer's are scaled by the
    root of (inputs before / inputs left), which keeps the variance of its output, whatever the initialisation.
    `described` is the NetworkDescription of the dense network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derived(seed, "fresh"))
        dense = description.built(described)
    smaller = steps.narrowed(dense, plan, described)
    inputs = {name: layer.weight[0].numel() for name, layer in _layers(dense)}
    with torch.no_grad():
        for name, layer in _layers(smaller):
            if layer.weight.numel():
                layer.weight.mul_(math.sqrt(inputs[name] / layer.weight[0].numel()))
    return smaller


@torch.no_grad()
def redrawn(
    model: nn.Module, described: description.NetworkDescription, plan: dict[str, list[int]], kind: str, seed: int
) -> nn.Module:
    """The first weights of the dense network, `model`, that a plan leaves, drawn anew by a kind of `first_values`.

    Fresh values are those of `fresh`, drawn at the dense network's scale (convolutions of this project: by fan-out) and
    multiplied by the root of inputs before over inputs left; first values have the dense network's scale as it is.
    Biases, and the parameters of other layers, are the first ones, where those of `fresh` are drawn anew.
    """
    smaller = steps.narrowed(model, plan, described)
    others = dict(_layers(fresh(described, plan, seed)))
    shared = set()
    for name, layer in _layers(smaller):
        weight, drawn = layer.weight, others[name].weight
        if not weight.numel() or id(weight) in shared:
            continue
        shared.add(id(weight))
        first, values = weight.flatten().cpu(), drawn.flatten()
        scale = values.std(correction=0).item()
        known = first_values.Layer(f"{name}.weight", first, values, scale, seed)
        weight.copy_(first_values.VALUES[kind](known).view_as(weight))
    return smaller


def _layers(model):
    """(name, layer) of all convolutions and linear layers."""
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            yield name, module
