"""Descriptors of units: numbers by which one scorer can judge the units of any layer of any network.

Our design. Of every unit eleven properties that hand-made criteria rank by, standardised within its layer, so that the
shape of a layer and the scale of its weights do not matter; and three that tell layers apart. A scorer that reads them
can therefore be carried to another data set, architecture or task.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from secateur.criteria import locations
from secateur.graph import modes
from secateur.images import store
from secateur.selection.output_analyser import layers_of
from secateur.selection.pruning_models import standardised
from secateur.units import readers
from secateur.units.coupling import Coupling
from secateur.units.finding import Units

# Of a unit's own weights W and of the gradient G of the loss: logarithms of positive quantities. `norm_*` are of the
# BatchNorm behind it, `next` of the weights that read it, `distance` the mean Euclidean distance to the other filters.
OF_WEIGHTS = ("mean_abs", "rms", "max_abs")
OF_GRADIENTS = ("gradient_rms", "abs_products", "sum_products", "norm_taylor")
OF_SURROUNDINGS = ("norm_weight", "norm_bias", "next", "distance")
# Of the layer: its place from 0 to 1, and logarithms of its units and of the weights of each, over five.
OF_LAYER = ("depth", "units", "weights")
NAMES = (*OF_WEIGHTS, *OF_GRADIENTS, *OF_SURROUNDINGS, *OF_LAYER)
# Added before a logarithm.
TINY = 1e-12
# The share of the terms' magnitudes that is added to that of their sum. Before a BatchNorm with the statistics of the
# batch the loss does not depend on a filter's scale, so that the sum of G W over it is rounding alone: without this
# share, its logarithm would be noise that the count of threads decides.
ROUNDED = 0.01
# Images of a batch whose gradients are read: BatchNorm takes its statistics, so that its size is part of the result.
BATCH = 128

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def of(model: nn.Module, units: Units, batches: Batches | None = None) -> torch.Tensor:
    """(units, len(NAMES)) descriptors in float32; without batches, those of gradients are zero.

    `batches` are (images, labels) on the model's device; the gradient is that of the cross-entropy, the mean over them,
    with BatchNorm's statistics of each batch. The model is left as it is. Units of several channels have the mean over
    these of what is not standardised yet.
    """
    gradients = {} if batches is None else _gradients(model, batches)
    raw = _Raw(model, units.coupled, gradients)
    table = torch.zeros(len(units.units), len(NAMES))
    by_layer = layers_of(units)
    for place, (layer, ids) in enumerate(by_layer.items()):
        own = torch.stack([raw.of_unit(units.units[unit].channels) for unit in ids])
        table[ids, : len(NAMES) - len(OF_LAYER)] = standardised(own.T).T.float()
        weights = model.get_parameter(f"{layer}.weight")[0].numel()
        context = (place / max(1, len(by_layer) - 1), np.log(len(ids)) / 5, np.log(weights) / 5)
        table[ids, -len(OF_LAYER) :] = torch.tensor(context, dtype=torch.float32)
    return table


def rows_of(images: store.Images, most: int) -> np.ndarray:
    """The rows of a split whose gradients are read: the first `most`, or all of a smaller split."""
    return store.chosen(images, most=most)


def batches_of(images: store.Images, most: int, device: torch.device) -> Batches:
    """The batches of `of`: nearly equal ones of up to BATCH images, because each has BatchNorm's statistics."""
    rows = rows_of(images, most)
    count = -(-len(rows) // BATCH)
    for _, pixels, labels in store.batches(images, -(-len(rows) // count), rows):
        yield pixels.to(device), labels.to(device)


class _Raw:
    """Descriptors before they are standardised, in float64, of single channels."""

    def __init__(self, model: nn.Module, coupled: Coupling, gradients: dict[str, torch.Tensor]) -> None:
        self.model, self.coupled, self.gradients = model, coupled, gradients
        self.norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
        self.behind = _norms_behind(model, coupled)
        self.next, self.by_layer = _next(coupled), {}

    def of_unit(self, channels: Sequence[tuple[str, int]]) -> torch.Tensor:
        """(descriptors without those of the layer,), the mean over the channels of a unit."""
        rows = [self._of_layer(layer)[index] for layer, index in channels]
        return torch.stack(rows).mean(0)

    def _of_layer(self, layer):
        """(channels, descriptors) of all output channels of a layer."""
        if layer not in self.by_layer:
            weight = self._double(f"{layer}.weight").flatten(1)
            columns = [
                _log(weight.abs().mean(1)),
                _log(weight.square().mean(1).sqrt()),
                _log(weight.abs().amax(1)),
                *self._of_gradients(layer, weight),
                *self._of_norm(layer),
                _log(torch.from_numpy(self.next[self.coupled.outputs[layer]])),
                _log(torch.cdist(weight, weight).sum(1) / max(1, len(weight) - 1)),
            ]
            self.by_layer[layer] = torch.stack(columns, dim=1)
        return self.by_layer[layer]

    def _of_gradients(self, layer, weight):
        if not self.gradients:
            return [torch.zeros(len(weight), dtype=torch.float64)] * len(OF_GRADIENTS)
        gradient = self._gradient(f"{layer}.weight").flatten(1)
        products = gradient * weight
        # (two, channels): of BatchNorm's weight and bias.
        taylor = torch.zeros(2, len(weight), dtype=torch.float64)
        norm = self._norm_of(layer)
        if norm is not None:
            name, places = norm
            for row, part in enumerate(("weight", "bias")):
                taylor[row] = (self._double(f"{name}.{part}") * self._gradient(f"{name}.{part}"))[places]
        return [
            _log(gradient.square().mean(1).sqrt()),
            _log(products.abs().sum(1)),
            _log_of_sum(products.T),
            _log_of_sum(taylor),
        ]

    def _of_norm(self, layer):
        """The weight and bias of the BatchNorm of a layer's channels; one and zero without any."""
        norm = self._norm_of(layer)
        if norm is not None:
            name, places = norm
            return [self._double(f"{name}.weight")[places], self._double(f"{name}.bias")[places]]
        count = len(self.coupled.outputs[layer])
        return [torch.ones(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)]

    def _norm_of(self, layer):
        """(BatchNorm, the place there of each output channel), or None.

        That right behind the layer; without one, as before a concatenation, the first that has all of its channels.
        """
        groups, behind = self.coupled.outputs[layer], self.behind.get(layer)
        if behind is not None:
            return (behind, torch.arange(len(groups))) if self.norms[behind].affine else None
        for name, ids in self.coupled.norms.items():
            if name not in self.norms or not self.norms[name].affine or not np.isin(groups, ids).all():
                continue
            order = np.argsort(ids, kind="stable")
            places = order[np.searchsorted(ids, groups, sorter=order)]
            return name, torch.from_numpy(places)
        return None

    def _double(self, name):
        return self.model.get_parameter(name).detach().double().cpu()

    def _gradient(self, name):
        return self.gradients[name].double().cpu()


def _norms_behind(model, coupled):
    """{layer: the BatchNorm right behind it} of the layers that have one."""
    modules, behind = dict(model.named_modules()), {}
    for layer, nodes in locations.calls(coupled.graph, modules, None).items():
        norm = locations.norm(nodes[0], modules)
        if norm is not None:
            behind[layer] = norm.target
    return behind


def _log(values):
    return torch.log(values + TINY)


def _log_of_sum(terms):
    """(n,) logarithms of the magnitudes of sums of terms (m, n), with a share of those of the terms."""
    return _log(terms.sum(0).abs() + ROUNDED * terms.abs().sum(0))


def _next(coupled):
    """(groups,) the mean absolute value of the weights that read each group; what it reads of itself is its own."""
    total, count = np.zeros(len(coupled.sizes)), np.zeros(len(coupled.sizes))
    for layer in coupled.outputs:
        weight = coupled.model.get_parameter(f"{layer}.weight").detach().double().abs().cpu()
        by_pair = weight.flatten(2).mean(2) if weight.dim() > 2 else weight
        groups, own = readers.read_by(coupled, layer)
        np.add.at(total, groups[~own], by_pair.numpy()[~own])
        np.add.at(count, groups[~own], 1)
    return total / np.maximum(count, 1)


def _gradients(model, batches):
    """{parameter: mean gradient of the cross-entropy over batches}, of a copy whose BatchNorm sees each batch."""
    # A backward pass is faster in this layout.
    network = copy.deepcopy(model).to(memory_format=torch.channels_last)
    network.requires_grad_(True)
    count = 0
    with modes.evaluating(network), torch.enable_grad():
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.training = True
        for pixels, labels in batches:
            F.cross_entropy(network(pixels.to(memory_format=torch.channels_last)), labels).backward()
            count += 1
    gradients = {}
    for name, parameter in network.named_parameters():
        gradients[name] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad / max(1, count)
    return gradients
