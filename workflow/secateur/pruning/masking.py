"""Channels masked for a while: the network answers as if they were removed."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from secateur.pruning import bundling
from secateur.units import coupling


@contextlib.contextmanager
def masked(
    model: nn.Module, channels: dict[str, list[int]], coupled: coupling.Coupling | None = None
) -> Iterator[nn.Module]:
    """Silence whole units, {layer: [index, ...]}, for the length of the block: whoever reads their channels reads zero.

    Filters and biases are zero, of BatchNorm (each, where a concatenation is normalised again and again) the weights
    and biases of these channels; where a silenced channel still is not zero (behind a sigmoid), so are the weights
    that read it. The model is the same afterwards, whatever happens. `coupled` is that of `coupling.followed` or of the
    units found, where it is at hand. Raises Refused for a layer or channel that the model lacks, for a part of a
    unit, and for channels that are protected.
    """
    coupled = coupled or coupling.followed(model)
    gone = bundling.bundles(coupled, channels)
    kept = []
    try:
        with torch.no_grad():
            for module, index in _silenced(model, coupled, gone):
                _silence(module, index, kept)
            for module, index in _unread(model, coupled, gone):
                kept.append((module.weight, index, module.weight[index].clone()))
                module.weight[index] = 0
        yield model
    finally:
        with torch.no_grad():
            for parameter, index, values in reversed(kept):
                parameter[index] = values


def _silenced(model, coupled, gone):
    """(module, channels) of all that makes or normalises what is gone."""
    for layer, numbers in (*coupled.outputs.items(), *coupled.norms.items()):
        index = np.flatnonzero(gone[numbers])
        if len(index):
            yield model.get_submodule(layer), torch.as_tensor(index)


def _unread(model, coupled, gone):
    """(layer, (all rows, columns)) of what reads a silenced channel that is not zero."""
    for layer, unsilenced in coupled.unsilenced.items():
        columns = np.flatnonzero(unsilenced & gone[coupled.inputs[layer]])
        grouped = coupled.grouped.get(layer)
        if grouped:
            # Groups that go as a whole have no rows left; others lose the i-th channel of each.
            width = len(unsilenced) // grouped.groups
            columns = [] if grouped.whole else np.unique(columns % width)
        if len(columns):
            yield model.get_submodule(layer), (slice(None), torch.as_tensor(columns))


def _silence(module, index, kept):
    for parameter in (module.weight, getattr(module, "bias", None)):
        if parameter is not None:
            kept.append((parameter, index, parameter[index].clone()))
            parameter[index] = 0
