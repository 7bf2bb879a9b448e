"""Channels by layer and index: what is removed together, and what is left."""

import numpy as np
from torch import nn

from secateur import Refused
from secateur.pruning import rewriting
from secateur.units.coupling import Coupling


def bundles(coupled: Coupling, channels: dict[str, list[int]]) -> np.ndarray:
    """Which bundles of a Coupling {layer: [index, ...]} removes, a bool for each.

    Raises Refused for a layer or channel that the model lacks, for a part of a unit, and for protected channels.
    """
    listed = np.zeros(len(coupled.sizes), int)
    for layer, index in channels.items():
        index = _checked(coupled, layer, index)
        listed += np.bincount(coupled.outputs[layer][index], minlength=len(listed))
    held = (listed > 0) & coupled.protected
    if held.any():
        layer, index = _first_of(coupled, channels, held)
        reason = coupled.reasons[int(coupled.outputs[layer][index])]
        raise Refused(f"channel {index} of layer {layer} cannot be removed: {reason}")
    part = (listed > 0) & (listed < coupled.sizes)
    if part.any():
        layer, index = _first_of(coupled, channels, part)
        missing = _missing(coupled, channels, coupled.outputs[layer][index])
        raise Refused(f"channel {index} of layer {layer} goes only together with {missing}: list all of them or none")
    return listed > 0


def _checked(coupled, layer, index):
    """The distinct channels of a list, as an array."""
    if layer not in coupled.listed:
        raise Refused(f"the model has no layer {layer!r} with channels of its own to remove")
    found, width = np.unique(np.asarray(index, dtype=int)), len(coupled.outputs[layer])
    wrong = found[(found < 0) | (found >= width)]
    if len(wrong):
        raise Refused(f"the layer {layer} has {width} channels, none with the index {wrong[0]}")
    return found


def _first_of(coupled, channels, marked):
    return next(
        (layer, int(i)) for layer, index in channels.items() for i in index if marked[coupled.outputs[layer][i]]
    )


def _missing(coupled, channels, bundle):
    """The channels of a unit that a list lacks, in words; no more than three by name."""
    lacking = [
        f"channel {index} of layer {layer}"
        for layer in coupled.listed
        for index in np.setdiff1d(
            np.flatnonzero(coupled.outputs[layer] == bundle), np.asarray(channels.get(layer, []), int)
        )
    ]
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return ", ".join(lacking[:3]) + more


def collapsed(model: nn.Module, channels: dict[str, list[int]]) -> list[str]:
    """Names of the layers that lose every channel, in network order."""
    return [
        name
        for name, module in model.named_modules()
        if name in channels and len(set(channels[name])) == len(getattr(module, "weight", ()))
    ]


def is_constant(coupled: Coupling, channels: dict[str, list[int]]) -> bool:
    """Whether the network without `channels` answers every image alike: no path leads from images to output."""
    return rewriting.After(coupled, bundles(coupled, channels)).constant


def widths(coupled: Coupling, channels: dict[str, list[int]]) -> dict[str, int]:
    """{layer: how many channels are left} of every layer that a list can name."""
    gone = bundles(coupled, channels)
    return {layer: int((~gone[coupled.outputs[layer]]).sum()) for layer in coupled.listed}
