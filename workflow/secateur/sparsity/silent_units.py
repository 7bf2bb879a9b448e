"""Units of a sparse network that add nothing to its output, so that the ordinary removal can take them out."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from secateur.units import activity, readers
from secateur.units.coupling import Coupling
from secateur.units.finding import Units


def silent(model: nn.Module, units: Units, images: torch.Tensor) -> dict[str, list[int]]:
    """{layer: [index, ...]} of all units that are multiplied by zero weights alone, or are zero themselves.

    A unit that no weight reads adds nothing, whatever it is. One whose own weights are all zero is constant: it adds
    nothing where that constant is zero, by its BatchNorm and activation, wherever a layer reads it. Of a constant, the
    `images` (N, C, H, W) tell what all others would; a unit that only these do not rouse is not silent.
    """
    read, written = weighted(units.coupled)
    zero = activity.zero(model, units, [images])
    channels: dict[str, list[int]] = {}
    for unit, is_zero in zip(units.units, zero, strict=True):
        group = activity.group_of(units, unit)
        if not read[group] or (not written[group] and is_zero):
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
