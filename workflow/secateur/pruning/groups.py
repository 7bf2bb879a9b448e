"""Groups of coupled channels: which of them a list of channels removes, and how wide the layers are without them.

Channels of one group can only be removed together; `units.coupling` finds the groups.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from secateur import Refused
from secateur.pruning import pruned_graph
from secateur.units.coupling import Coupling

# As many channels are named in an error; more are counted.
NAMED = 3


def removed_by(coupled: Coupling, channels: Mapping[str, Sequence[int]]) -> np.ndarray:
    """The groups of a Coupling that the channels {layer: [index, ...]} make up, (groups,) bool.

    Raises Refused for a layer or channel that the model lacks, for a part of a unit, and for protected channels.
    """
    listed = np.zeros(len(coupled.sizes), int)
    for layer, indices in channels.items():
        distinct = _checked(coupled, layer, indices)
        listed += np.bincount(coupled.outputs[layer][distinct], minlength=len(listed))
    _refuse_protected(coupled, channels, (listed > 0) & coupled.protected)
    _refuse_parts(coupled, channels, (listed > 0) & (listed < coupled.sizes))
    return listed > 0


def _checked(coupled, layer, indices):
    """The distinct channels of a list, as an array."""
    if layer not in coupled.listed:
        raise Refused(f"the model has no layer {layer!r} with channels of its own to remove")
    distinct = np.unique(np.asarray(indices, dtype=int))
    width = len(coupled.outputs[layer])
    outside = distinct[(distinct < 0) | (distinct >= width)]
    if len(outside):
        raise Refused(f"the layer {layer} has {width} channels, none with the index {outside[0]}")
    return distinct


def _refuse_protected(coupled, channels, protected):
    """Refuse channels of the groups marked in `protected`, (groups,) bool."""
    if not protected.any():
        return
    layer, index = _first_of(coupled, channels, protected)
    reason = coupled.reasons[int(coupled.outputs[layer][index])]
    raise Refused(f"channel {index} of layer {layer} cannot be removed: {reason}")


def _refuse_parts(coupled, channels, incomplete):
    """Refuse channels of the groups marked in `incomplete`, (groups,) bool, of which others are missing."""
    if not incomplete.any():
        return
    layer, index = _first_of(coupled, channels, incomplete)
    missing = _missing(coupled, channels, coupled.outputs[layer][index])
    raise Refused(
        f"channel {index} of layer {layer} can only be removed together with {missing}: list all of them or none"
    )


def _first_of(coupled, channels, marked):
    """(layer, index) of the first listed channel whose group is marked."""
    for layer, indices in channels.items():
        for index in indices:
            if marked[coupled.outputs[layer][index]]:
                return layer, int(index)
    raise AssertionError("no listed channel is marked")


def _missing(coupled, channels, group):
    """The channels of a group that a list lacks, in words; no more than NAMED by name."""
    lacking = []
    for layer in coupled.listed:
        members = np.flatnonzero(coupled.outputs[layer] == group)
        for index in np.setdiff1d(members, np.asarray(channels.get(layer, []), int)):
            lacking.append(f"channel {index} of layer {layer}")
    named = ", ".join(lacking[:NAMED])
    if len(lacking) > NAMED:
        return f"{named} and {len(lacking) - NAMED} more"
    return named


def collapsed(model: nn.Module, channels: dict[str, list[int]]) -> list[str]:
    """Names of the layers that lose every channel, in network order."""
    layers = []
    for name, module in model.named_modules():
        if name in channels and len(set(channels[name])) == len(getattr(module, "weight", ())):
            layers.append(name)
    return layers


def is_constant(coupled: Coupling, channels: dict[str, list[int]]) -> bool:
    """True if the network without `channels` gives all images the same logits: no path leads from input to output."""
    return pruned_graph.PrunedGraph(coupled, removed_by(coupled, channels)).constant


def widths(coupled: Coupling, channels: dict[str, list[int]]) -> dict[str, int]:
    """{layer: count of remaining channels} of every layer that a list of channels can name."""
    removed = removed_by(coupled, channels)
    return {layer: int((~removed[coupled.outputs[layer]]).sum()) for layer in coupled.listed}


def further(before: dict[str, list[int]], plan: dict[str, list[int]]) -> dict[str, list[int]]:
    """The channels that a plan removes and `before` does not, {layer: [index, ...]}.

    Their indices are those in the network without the channels of `before`.
    """
    channels = {}
    for layer, indices in plan.items():
        lost = np.sort(np.asarray(before.get(layer, []), int))
        new = np.setdiff1d(indices, lost)
        if len(new):
            channels[layer] = (new - np.searchsorted(lost, new)).tolist()
    return channels
