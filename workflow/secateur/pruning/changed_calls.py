"""Calls of a traced forward with channel counts written into their arguments (pads, views, slices, splits), changed.

The result of a call on the remaining channels is computed with the ids of `units/coupling.py` and compared with what
it should be. Where they differ, the call's arguments are changed, or the call is refused by name.
"""

import operator
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.nn import functional as F

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.pruning.pruned_graph import PrunedGraph
from secateur.units import operations
from secateur.units.channel_ids import Value, values_in

SPLIT = {torch.chunk, torch.split, "chunk", "split"}


def changes(pruned: PrunedGraph) -> dict[fx.Node, tuple[Any, tuple[Any, ...]]]:
    """{node: (target, arguments)} of all calls that do not fit the remaining channels.

    Raises Refused that names a call that cannot be made to fit.
    """
    changed = {}
    for node in pruned.coupled.fitted:
        if pruned.loses_channels(node) or any(map(pruned.differs, node.all_input_nodes)):
            change = _change(pruned, node)
            if change:
                changed[node] = change
    return changed


def _change(pruned, node):
    """(target, arguments) with which a node fits, or None if it fits as it is."""
    if pruned.empty(node):
        return None
    if node.target is F.pad:
        return _changed_pad(pruned, node)
    if node.target in kinds.CONVOLVED:
        return _changed_groups(pruned, node)
    if node.target in kinds.ZEROS:
        return _changed_zeros(pruned, node)
    if _fits(pruned, node, pruned.resolved(node.args)):
        return None
    change = _changed_call(pruned, node)
    if change is None or not _fits(pruned, node, pruned.resolved(change[1]), change[0]):
        raise Refused(
            f"{node.name} arranges channels in a way that fewer of them do not fit: {node.format_node()}; write it "
            "with sizes taken from the tensor, or remove other channels"
        )
    return change


def _changed_call(pruned, node):
    if node.target in SPLIT:
        return _changed_split(pruned, node)
    if node.target is operator.getitem:
        return _changed_slice(pruned, node)
    return _changed_sizes(pruned, node)


def _fits(pruned, node, args, target=None):
    """True if a node gives the remaining channels in their places, called with `args` (and as another `target`)."""
    module, kwargs = None, {}
    if node.op == "call_module":
        module = pruned.coupled.graph.get_submodule(node.target)
    if target is None:
        kwargs = pruned.resolved(node.kwargs)
    try:
        given = operations.rearrange(node, module, args, kwargs, target)
    except (RuntimeError, ValueError, IndexError):
        return False
    if isinstance(given, torch.Tensor):
        given = [given]
    expected = [value.full() for value in values_in(pruned.value(node))]
    return len(given) == len(expected) and all(map(torch.equal, given, expected))


def _argument(node, place, name, default=None):
    """An argument of a call, given by place or by name."""
    if len(node.args) > place:
        return node.args[place]
    return node.kwargs.get(name, default)


def _changed_pad(pruned, node):
    """A pad of channels: as wide as what is left of the padding."""
    dense = pruned.coupled.values[node]
    pad = list(_argument(node, 1, "pad"))
    # Pads are listed from the last dimension back, two for each.
    at = 2 * (len(dense.shape) - 2)
    before, behind = (_size_in_dense(pruned, width) for width in pad[at : at + 2])
    remaining = ~pruned.removed[np.broadcast_to(dense.ids.ravel(), dense.shape[1])]
    fitting = [int(remaining[:before].sum()), int(remaining[len(remaining) - behind :].sum())]
    if list(pruned.resolved(pad)[at : at + 2]) == fitting:
        return None
    pad[at : at + 2] = fitting
    mode, value = _argument(node, 2, "mode", "constant"), _argument(node, 3, "value")
    return F.pad, (node.all_input_nodes[0], tuple(pad), mode, value)


def _size_in_dense(pruned, size):
    """A size that is written out, or that the dense network computes."""
    if isinstance(size, fx.Node):
        return pruned.coupled.plain.get(size, size)
    return size


def _changed_groups(pruned, node):
    """A convolution called with its count of groups: as many as are left."""
    model, weight = pruned.coupled.model, node.args[1]
    layer = model.get_submodule(weight.target.rpartition(".")[0])
    dense, left = pruned.coupled.values[node].shape[1], pruned.value(node).shape[1]
    if dense == left or not _loses_whole_groups(pruned, layer):
        return None
    if len(node.args) < 7:
        raise Refused(f"{node.name} has its count of groups written out: {node.format_node()}")
    return node.target, (*node.args[:6], layer.groups * left // dense)


def _loses_whole_groups(pruned, layer):
    for name, grouped in pruned.coupled.grouped.items():
        if grouped.whole and pruned.coupled.model.get_submodule(name) is layer:
            return True
    return False


def _changed_zeros(pruned, node):
    """A tensor of zeros with as many channels as are left."""
    sizes, listed = _sizes_from(node, 1)
    width = pruned.value(node).shape[1]
    if pruned.resolved(sizes)[1] == width:
        return None
    sizes[1] = width
    return node.target, (node.args[0], *_as_given(sizes, listed))


def _sizes_from(node, start):
    """(sizes, whether they are one list) that a call is given from the argument `start` on."""
    sizes = node.args[start:]
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return list(sizes[0]), True
    return list(sizes), False


def _as_given(sizes, listed):
    if listed:
        return (tuple(sizes),)
    return tuple(sizes)


def _changed_split(pruned, node):
    dim = _argument(node, 2, "dim", 0)
    sizes = [value.shape[dim] for value in values_in(pruned.value(node))]
    return torch.split, (node.args[0], sizes, dim)


def _changed_sizes(pruned, node):
    """A view, reshape or the like with other sizes."""
    before, after = pruned.coupled.values[node], pruned.value(node)
    if node.op == "call_module" or node.kwargs or not isinstance(before, Value):
        return None
    start = 1
    if node.target == "unflatten":
        start = 2
    sizes, listed = _sizes_from(node, start)
    offset = len(before.shape) - len(sizes)
    if node.target == "unflatten":
        offset = node.args[1]
    for place, size in enumerate(sizes):
        d, given = place + offset, pruned.resolved(size)
        if not 0 <= d < len(before.shape) or given == -1:
            continue
        # A size may be taken from another tensor, which lost channels though this one did not; the batch size is free.
        if before.shape[d] != after.shape[d] or (d > 0 and given != after.shape[d]):
            sizes[place] = after.shape[d]
    return node.target, (*node.args[:start], *_as_given(sizes, listed))


def _changed_slice(pruned, node):
    """The first and last of the remaining channels; None where they are selected otherwise."""
    source, index = node.args
    dense = pruned.coupled.values[source]
    d = dense.axis
    places = list(index) if isinstance(index, tuple) else [index]
    if d is None or d >= len(places) or not all(isinstance(place, slice) for place in places):
        return None
    remaining = ~pruned.removed[np.moveaxis(dense.ids, d, -1).reshape(-1, dense.codes.shape[d])[0]]
    first, last, _ = places[d].indices(len(remaining))
    places[d] = slice(int(remaining[:first].sum()), int(remaining[:last].sum()))
    return operator.getitem, (source, tuple(places))
