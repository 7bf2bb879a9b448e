"""The values of units where layers read them, on real images."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from secateur.graph import modes
from secateur.units.finding import Unit, Units


def group_of(units: Units, unit: Unit) -> int:
    """The id of the group of coupled channels that a unit is."""
    layer, index = unit.channels[0]
    return int(units.coupled.outputs[layer][index])


@torch.no_grad()
def zero(model: nn.Module, units: Units, batches: Iterable[torch.Tensor]) -> np.ndarray:
    """(units,) bool: True for units that are zero wherever a layer reads them, on all images (N, C, H, W) of `batches`.

    Their removal changes no answer to these images.
    """
    largest = np.zeros(len(units.coupled.sizes))
    handles = []
    for layer, groups in units.coupled.inputs.items():
        module = model.get_submodule(layer)
        handles.append(module.register_forward_pre_hook(_observer(largest, groups, isinstance(module, nn.Linear))))
    try:
        with modes.evaluating(model):
            for pixels in batches:
                model(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return np.array([largest[group_of(units, unit)] == 0 for unit in units.units])


def _observer(largest, groups, last):
    """A hook that notes the largest absolute input of each group; `last` where channels are the last dimension."""

    def observe(module, inputs):
        values = inputs[0] if last else inputs[0].movedim(1, -1)
        by_column = values.abs().flatten(0, -2).amax(0).double().cpu().numpy()
        np.maximum.at(largest, groups, by_column)

    return observe
