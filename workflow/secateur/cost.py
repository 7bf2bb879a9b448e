"""What a network costs: parameters, and multiply-adds for one image."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from secateur.graph import modes

COUNTED = (nn.Conv2d, nn.Linear)


@dataclasses.dataclass(frozen=True)
class Cost:
    """Number of parameters, and multiply-adds of convolutions and linear layers for one image."""

    parameters: int
    macs: int


def count(model: nn.Module, example: torch.Tensor) -> Cost:
    """The cost of a model; `example` is a batch (N, C, H, W) of any values, of which the first image is used.

    A multiply-add counts once. Taps that fall on padding count, as is usual; biases, BatchNorm and pools do not.
    """
    return of_positions(model, positions(model, example))


def positions(model: nn.Module, example: torch.Tensor) -> dict[str, int]:
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


def of_positions(model: nn.Module, positions: Mapping[str, int]) -> Cost:
    """The cost of a model whose layers are applied at the given positions; needs no run, so layers may be empty.

    Layers that the model has no more, as a branch without channels loses them, cost nothing.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, COUNTED)}
    macs = sum(layers[name].weight.numel() * times for name, times in positions.items() if name in layers)
    return Cost(parameters=sum(p.numel() for p in model.parameters()), macs=macs)


class Counter:
    """Counts what a followed model (`coupling.followed`) costs without some of its channels, from their numbers alone.

    Nothing is copied or run, and layers may be empty: fractions of a millisecond for each set of channels.
    """

    def __init__(self, coupled: Any) -> None:
        self.coupled = coupled
        self.layers = {layer: coupled.model.get_submodule(layer) for layer in coupled.outputs}
        self.norms = {
            name: sum(p.dim() > 0 for p in coupled.model.get_submodule(name).parameters()) for name in coupled.norms
        }
        parameters = dict(coupled.model.named_parameters())
        self.constants = [bundles for name, bundles in coupled.constants.items() if name in parameters]
        self.untouched = 0
        counted = self._parameters(np.zeros(len(coupled.sizes), bool))
        self.untouched = sum(p.numel() for p in parameters.values()) - counted

    def left(self, gone: np.ndarray) -> Cost:
        """The Cost without bundles; `gone` is a bool for each bundle of the Coupling."""
        return Cost(
            parameters=self.untouched + self._parameters(gone),
            macs=sum(self._weights(layer, gone) * times for layer, times in self.coupled.positions.items()),
        )

    def _weights(self, layer, gone):
        """How many weights a layer has left."""
        coupled, module = self.coupled, self.layers[layer]
        rows, read = np.count_nonzero(~gone[coupled.outputs[layer]]), ~gone[coupled.inputs[layer]]
        grouped = coupled.grouped.get(layer)
        if grouped:
            width = len(read) // grouped.groups
            columns = width if grouped.whole else np.count_nonzero(read[:width])
        else:
            columns = np.count_nonzero(read)
        return int(rows * columns) * module.weight.shape[2:].numel()

    def _parameters(self, gone):
        """Parameters of all that loses channels with `gone`; those that layers share count once."""
        coupled, seen, total = self.coupled, set(), 0
        for layer, module in self.layers.items():
            if id(module.weight) not in seen:
                total += self._weights(layer, gone)
            if module.bias is not None and id(module.bias) not in seen:
                total += np.count_nonzero(~gone[coupled.outputs[layer]])
            seen |= {id(module.weight), id(module.bias)}
        for name, kinds in self.norms.items():
            total += kinds * np.count_nonzero(~gone[coupled.norms[name]])
        return int(total + sum(np.count_nonzero(~gone[bundles]) for bundles in self.constants))
