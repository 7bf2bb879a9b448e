"""Operations that rearrange channels: flatten, slices, concatenation, shuffles, padding with channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import fx, nn
from torch.fx.node import map_aggregate

from secateur.graph import operation_kinds as kinds
from secateur.units import operations
from secateur.units.channel_ids import Value, compact, first, values_in

if TYPE_CHECKING:
    from secateur.units.walk import Walk


def rearranged(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation itself, on codes instead of values."""
    codes = operations.rearrange(node, walk.module(node), args, kwargs)
    result = map_aggregate(cast(Any, codes), _compacted)
    for value in values_in(result):
        _tie_in_blocks(walk, node, value)
    if node.target not in kinds.ALWAYS_FIT and not isinstance(walk.module(node), nn.Flatten):
        walk.fitted.append(node)
    return result


def _compacted(codes: Any) -> Any:
    """A tensor of codes at every position as a Value."""
    return compact(codes.numpy(), codes.shape)


def _tie_in_blocks(walk, node, value):
    """Channels along several dimensions (groups of a shuffle) are removed along one: all at the same place in it."""
    if len(value.varying) > 1:
        rows = np.moveaxis(value.ids, value.axis, -1).reshape(-1, value.codes.shape[value.axis])
        walk.tie(rows[:1], rows[1:], f"it is laid out beside others at {walk.called(node)}")


def sliced(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A slice or an index of a value; single channels that are picked cannot be removed."""
    value, index = args
    if values_in(index):
        return walk.unknown(node, args, kwargs)
    places = _places(index, len(value.shape))
    if None in places:
        return rearranged(walk, node, args, kwargs)
    touched = [places[d] for d in value.varying if d < len(places) and places[d] != slice(None)]
    if not all(map(_is_range, touched)):
        walk.protect(value, f"single channels are picked by number at {walk.called(node)}")
    if touched:
        return rearranged(walk, node, args, kwargs)
    # Only positions are cut, at all of which the ids agree.
    places += [slice(None)] * (len(value.shape) - len(places))
    for d, place in enumerate(places):
        if isinstance(place, slice) and d not in value.varying:
            places[d] = slice(0, 1)
    return compact(np.array(value.full()[tuple(places)].numpy()), walk.shape(node))


def _places(index, rank):
    """An index as a list; an ellipsis stands for as many whole dimensions as are missing."""
    if not isinstance(index, tuple):
        index = (index,)
    places = list(index)
    if Ellipsis in places:
        at = places.index(Ellipsis)
        missing = rank + 1 - (len(places) - places.count(None))
        places[at : at + 1] = [slice(None)] * missing
    return places


def _is_range(place):
    return isinstance(place, slice) and place.step in (None, 1)


def concatenated(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Channels of all parts in their order."""
    parts, shape = operations.argument(args, kwargs, 0, "tensors"), walk.shape(node)
    dim = operations.argument(args, kwargs, 1, "dim", "axis", default=0) % len(shape)
    codes = [_spread(part, dim) for part in parts]
    # In the other dimensions, ids of parts may differ where those of others agree.
    others = np.broadcast_shapes(*[np.delete(part.shape, dim) for part in codes])
    whole = [np.broadcast_to(part, np.insert(others, dim, part.shape[dim])) for part in codes]
    value = compact(np.concatenate(whole, dim), shape)
    _tie_in_blocks(walk, node, value)
    return value


def _spread(part, dim):
    """The codes of a value at every position along a dimension."""
    if part.codes.shape[dim] > 1:
        return part.codes
    return np.repeat(part.codes, part.shape[dim], dim)


def shuffled(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The i-th channels of all groups are removed together, so that the groups stay equal."""
    value, module = first(args, kwargs), cast(nn.ChannelShuffle | None, walk.module(node))
    if value.varies_beside(1):
        return walk.unknown(node, args, kwargs)
    groups = operations.argument(args, kwargs, 1, "groups") if module is None else module.groups
    rows = np.broadcast_to(value.codes.ravel(), value.shape[1]).reshape(groups, -1)
    walk.tie(rows[:1] >> 1, rows[1:] >> 1, f"it is shuffled at {walk.called(node)}")
    return Value(_along_channels(rows.T, len(value.shape)), value.shape)


def padded(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Zeros beside channels have ids like channels, so that they can be removed with those that they are added to."""
    value = first(args, kwargs)
    amounts = _amounts(operations.argument(args, kwargs, 1, "pad"), len(value.shape))
    is_filled = bool(operations.argument(args, kwargs, 3, "value"))
    before, after = amounts.pop(1, (0, 0))
    if value.varies_beside(1) or min(before, after) < 0:
        return walk.unknown(node, args, kwargs)
    pads_positions = any(map(any, amounts.values()))
    codes = value.codes | (is_filled and pads_positions)
    if not before and not after:
        return Value(codes, walk.shape(node))
    if operations.argument(args, kwargs, 2, "mode", default="constant") != "constant":
        return walk.unknown(node, args, kwargs)
    edges = [2 * walk.new(count) | is_filled for count in (before, after)]
    within = np.broadcast_to(codes.ravel(), value.shape[1])
    walk.fitted.append(node)
    return Value(_along_channels(np.concatenate([edges[0], within, edges[1]]), len(value.shape)), walk.shape(node))


def _amounts(pad, rank):
    """{dimension: (elements before, elements behind)} of F.pad's argument, which begins with the last dimension."""
    amounts = {}
    for place in range(0, len(pad), 2):
        amounts[rank - 1 - place // 2] = tuple(pad[place : place + 2])
    return amounts


def zeros(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Zeros of a size: ids of their own."""
    shape = walk.shape(node)
    if len(shape) < 2:
        return walk.fixed(node)
    walk.fitted.append(node)
    return Value(_along_channels(2 * walk.new(shape[1]), len(shape)), shape)


def _along_channels(codes, rank):
    """Codes along the dimension of channels, of size 1 in all others."""
    return codes.reshape(1, -1, *[1] * (rank - 2))
