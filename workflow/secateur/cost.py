"""What a network costs: parameters, and multiply-adds for one image."""

import contextlib
import dataclasses

import torch
from torch import nn

from secateur import modes

COUNTED = (nn.Conv2d, nn.Linear)


@dataclasses.dataclass(frozen=True)
class Cost:
    """Number of parameters, and multiply-adds of convolutions and linear layers for one image."""

    parameters: int
    macs: int


def count(model, example):
    """The cost of a model; `example` is a batch (N, C, H, W) of any values, of which the first image is used.

    A multiply-add counts once. Taps that fall on padding count, as is usual; biases, BatchNorm and pools do not.
    """
    return of_positions(model, positions(model, example))


def positions(model, example):
    """How often each layer's weights are applied to one image: {layer: height x width of its output, 1 if linear}."""
    found = {}

    def hook(name):
        def note(module, inputs, output):
            found[name] = (
                found.get(name, 0) + output[0].numel() // output.shape[1 if isinstance(module, nn.Conv2d) else -1]
            )

        return note

    with contextlib.ExitStack() as stack, modes.evaluating(model), torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, COUNTED):
                stack.callback(module.register_forward_hook(hook(name)).remove)
        model(example[:1])
    return found


def of_positions(model, positions):
    """The cost of a model whose layers are applied at the given positions; needs no run, so layers may be empty.

    Layers that the model has no more, as a branch without channels loses them, cost nothing.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, COUNTED)}
    macs = sum(layers[name].weight.numel() * times for name, times in positions.items() if name in layers)
    return Cost(parameters=sum(p.numel() for p in model.parameters()), macs=macs)
