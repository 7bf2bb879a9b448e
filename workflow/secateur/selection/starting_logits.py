"""The logits with which a learned selection begins, and the units that are dead before it."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import nn

from secateur.graph import modes
from secateur.units.finding import Units


def of_scores(scores: Mapping[int, float], by_layer: Mapping[str, list[int]]) -> dict[str, np.ndarray]:
    """{layer: (units,)} of scores {unit: score}, standardised within each layer; zeros where all are equal.

    `by_layer` is {layer: unit ids}.
    """
    start = {}
    for layer, ids in by_layer.items():
        values = np.array([scores[unit] for unit in ids], dtype=np.float64)
        spread = values.std()
        start[layer] = (values - values.mean()) / spread if spread > 0 else np.zeros(len(ids))
    return start


@torch.no_grad()
def dead(model: nn.Module, units: Units, batches: Iterable[torch.Tensor]) -> np.ndarray:
    """(units,) bool: True for units that are zero wherever a layer reads them, on all images (N, C, H, W) of `batches`.

    Their removal changes no answer, and no gradient reaches their gates.
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
    return np.array([largest[_group(units, unit)] == 0 for unit in units.units])


def _group(units, unit):
    """The group of coupled channels that a unit is."""
    layer, index = unit.channels[0]
    return units.coupled.outputs[layer][index]


def _observer(largest, groups, last):
    """A hook that notes the largest absolute input of each group; `last` where channels are the last dimension."""

    def observe(module, inputs):
        values = inputs[0] if last else inputs[0].movedim(1, -1)
        by_column = values.abs().flatten(0, -2).amax(0).double().cpu().numpy()
        np.maximum.at(largest, groups, by_column)

    return observe
