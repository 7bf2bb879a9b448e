"""Cost of a network: parameters, and multiply-adds for one image."""

import collections
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
    """Count of parameters, and multiply-adds of convolutions and linear layers for one image."""

    parameters: int
    macs: int


def count(model: nn.Module, example: torch.Tensor) -> Cost:
    """The cost of a model; `example` is a batch (N, C, H, W) of any values, of which the first image is used.

    A multiply-add counts once. Taps that fall on padding count, as is usual; biases, BatchNorm and pools do not.
    """
    return of_positions(model, positions(model, example))


def positions(model: nn.Module, example: torch.Tensor) -> dict[str, int]:
    """{layer: count of positions of one image to which its weights are applied}: height x width, 1 if linear."""
    times = collections.Counter()

    def hook(name):
        def note(module, inputs, output):
            # Of a linear layer, features lie along the last dimension.
            axis = 1 if isinstance(module, nn.Conv2d) else -1
            times[name] += output[0].numel() // output.shape[axis]

        return note

    with contextlib.ExitStack() as stack, modes.evaluating(model), torch.no_grad():
        for name, module in _layers(model).items():
            stack.callback(module.register_forward_hook(hook(name)).remove)
        model(example[:1])
    return dict(times)


def _layers(model):
    """{name: module} of the layers whose multiply-adds count."""
    return {name: module for name, module in model.named_modules() if isinstance(module, COUNTED)}


def of_positions(model: nn.Module, positions: Mapping[str, int]) -> Cost:
    """The Cost of a model by {layer: count of positions of one image to which its weights are applied}.

    Nothing is run, so layers may be empty. A layer of `positions` that the model lacks, as a branch without channels
    loses it, costs nothing; one that `positions` lacks costs no multiply-adds, but its parameters count.
    """
    macs = 0
    for name, layer in _layers(model).items():
        macs += layer.weight.numel() * positions.get(name, 0)
    return Cost(parameters=_elements(model.parameters()), macs=macs)


def _elements(parameters):
    return sum(map(torch.numel, parameters))


def per_channel(module: nn.Module) -> int:
    """Count of parameters that a normalisation or activation has for each channel."""
    return sum(parameter.dim() > 0 for parameter in module.parameters())


class Counter:
    """The cost of a followed model (`coupling.followed`) without some of its channels, from their ids alone.

    Nothing is copied or run, and layers may be empty: fractions of a millisecond for each set of channels.
    """

    def __init__(self, coupled: Any) -> None:
        self.coupled = coupled
        self.layers = {layer: coupled.model.get_submodule(layer) for layer in coupled.outputs}
        self.norms = {name: per_channel(coupled.model.get_submodule(name)) for name in coupled.norms}
        parameters = dict(coupled.model.named_parameters())
        self.constants = [groups for name, groups in coupled.constants.items() if name in parameters]
        # Parameters that no removal touches.
        whole = self._parameters(np.zeros(len(coupled.sizes), bool))
        self.untouched = _elements(parameters.values()) - whole

    def left(self, removed: np.ndarray) -> Cost:
        """The Cost without the groups of the Coupling marked in `removed`, (groups,) bool."""
        return Cost(parameters=self.untouched + self._parameters(removed), macs=self.macs(removed))

    def macs(self, removed: np.ndarray) -> int:
        """The multiply-adds alone, in half of the time."""
        macs = 0
        for layer, times in self.coupled.positions.items():
            macs += self._weights(layer, removed) * times
        return macs

    def _weights(self, layer, removed):
        """Count of weights that a layer has left."""
        coupled, module = self.coupled, self.layers[layer]
        grouped, stays = coupled.grouped.get(layer), ~removed[coupled.inputs[layer]]
        if grouped:
            stays = stays[: len(stays) // grouped.groups]
        rows = _left(removed, coupled.outputs[layer])
        columns = len(stays) if grouped and grouped.whole else np.count_nonzero(stays)
        return int(rows * columns) * module.weight.shape[2:].numel()

    def _parameters(self, removed):
        """Parameters of all that loses channels with `removed`; those that layers share count once."""
        coupled, seen, total = self.coupled, set(), 0
        for layer, module in self.layers.items():
            if id(module.weight) not in seen:
                total += self._weights(layer, removed)
            if module.bias is not None and id(module.bias) not in seen:
                total += _left(removed, coupled.outputs[layer])
            seen |= {id(module.weight), id(module.bias)}
        for name, count in self.norms.items():
            total += count * _left(removed, coupled.norms[name])
        for groups in self.constants:
            total += _left(removed, groups)
        return int(total)


def _left(removed, groups):
    """Count of channels that are left of those of an array of group ids."""
    return np.count_nonzero(~removed[groups])
