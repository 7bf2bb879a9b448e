"""A pruned network with fresh weights."""

import math

import torch
from torch import nn

from secateur.models import description
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


def _layers(model):
    """(name, layer) of all convolutions and linear layers."""
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            yield name, module
