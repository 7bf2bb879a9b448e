"""Units of a sparse network that add nothing to its output, so that the ordinary removal can take them out."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from secateur.graph import modes
from secateur.pruning import masking
from secateur.units import readers
from secateur.units.coupling import Coupling
from secateur.units.finding import Unit, Units

# Largest change of a logit by masking a unit without weights of its own, as a share of the logits' range: rounding.
UNCHANGED = 1e-6


def silent(model: nn.Module, units: Units, images: torch.Tensor) -> dict[str, list[int]]:
    """{layer: [index, ...]} of all units that are multiplied by zero weights alone, or are zero themselves.

    A unit that no weight reads adds nothing, whatever it is. One whose own weights are all zero is constant, and adds
    nothing where that constant is zero, by its BatchNorm and activation: where masking it leaves the logits of `images`
    (N, C, H, W) as they are.
    """
    read, written = weighted(units.coupled)
    channels: dict[str, list[int]] = {}
    constant = []
    for unit in units.units:
        group = group_of(units, unit)
        if not read[group]:
            _add(channels, unit)
        elif not written[group]:
            constant.append(unit)
    with modes.evaluating(model), torch.no_grad():
        before = model(images)
        for unit in constant:
            with masking.masked(model, _add({}, unit), units.coupled):
                change = (model(images) - before).abs().max()
            if change <= UNCHANGED * (before.max() - before.min()):
                _add(channels, unit)
    return channels


def group_of(units: Units, unit: Unit) -> int:
    """The id of the group of a unit."""
    layer, index = unit.channels[0]
    return int(units.coupled.outputs[layer][index])


def _add(channels, unit):
    for layer, index in unit.channels:
        channels.setdefault(layer, []).append(index)
    return channels


def weighted(coupled: Coupling) -> tuple[np.ndarray, np.ndarray]:
    """Two (groups,) bools: groups that a weight other than zero reads, and groups that have one among their own.

    What a group reads of itself, as a depthwise convolution does, counts as its own.
    """
    read, written = (np.zeros(len(coupled.sizes), bool) for _ in range(2))
    for layer, outputs in coupled.outputs.items():
        weight = coupled.model.get_parameter(f"{layer}.weight").detach()
        present = weight.flatten(2).any(2) if weight.dim() > 2 else weight != 0
        present = present.cpu().numpy()
        groups, own = readers.read_by(coupled, layer)
        read[groups[present & ~own]] = True
        written[outputs[present.any(1)]] = True
    return read, written
