"""Channels masked for the length of a block: the network computes what it would without them."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from secateur.pruning import groups
from secateur.units import coupling


@contextlib.contextmanager
def masked(
    model: nn.Module, channels: dict[str, list[int]], coupled: coupling.Coupling | None = None
) -> Iterator[nn.Module]:
    """Mask whole units, {layer: [index, ...]}, for the length of the block: they add nothing to any layer's output.

    The weights and biases of their filters are set to zero, and those of BatchNorm for these channels (in each
    BatchNorm, where a concatenation is normalised several times). Where a masked channel stays nonzero all the same
    (behind a sigmoid), the weights of the next layers for this input channel are set to zero too. Afterwards, also
    after an error, the model is as before. `coupled` is the Coupling of the model, if it is at hand. Raises Refused
    for a layer or channel that the model lacks, for a part of a unit, and for protected channels.
    """
    coupled = coupled or coupling.followed(model)
    removed = groups.removed_by(coupled, channels)
    saved = []
    try:
        with torch.no_grad():
            for module, index in _masked_rows(model, coupled, removed):
                _zero_rows(module, index, saved)
            for module, index in _masked_columns(model, coupled, removed):
                _zero(module.weight, index, saved)
        yield model
    finally:
        with torch.no_grad():
            for parameter, index, values in reversed(saved):
                parameter[index] = values


def _masked_rows(model, coupled, removed):
    """(module, channels) of every layer and BatchNorm that has channels of the removed groups."""
    for layer, ids in (*coupled.outputs.items(), *coupled.norms.items()):
        index = np.flatnonzero(removed[ids])
        if len(index):
            yield model.get_submodule(layer), torch.as_tensor(index)


def _masked_columns(model, coupled, removed):
    """(layer, (all rows, columns)) of every layer with input channels that stay nonzero under masking."""
    for layer, unmasked in coupled.unmasked.items():
        columns = np.flatnonzero(unmasked & removed[coupled.inputs[layer]])
        grouped = coupled.grouped.get(layer)
        if grouped:
            columns = _columns_of_groups(grouped, columns, len(unmasked))
        if len(columns):
            yield model.get_submodule(layer), (slice(None), torch.as_tensor(columns))


def _columns_of_groups(grouped, columns, inputs):
    """Columns of the weight of a grouped convolution with so many input channels."""
    # Groups that are removed as a whole have no rows left; others lose the i-th channel of each.
    if grouped.whole:
        return []
    return np.unique(columns % (inputs // grouped.groups))


def _zero_rows(module, index, saved):
    for parameter in (module.weight, getattr(module, "bias", None)):
        if parameter is not None:
            _zero(parameter, index, saved)


def _zero(parameter, index, saved):
    """Set the entries of a parameter at an index to zero; their values are added to `saved`."""
    saved.append((parameter, index, parameter[index].clone()))
    parameter[index] = 0
