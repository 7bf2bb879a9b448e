"""Operations of two values, which tie the channels that meet: additions, products, and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import fx

from secateur.graph import operation_kinds as kinds
from secateur.units.channel_ids import Value, compact, values_in

if TYPE_CHECKING:
    from secateur.units.walk import Walk

SCALED = kinds.MULTIPLIED | kinds.DIVIDED


def joined(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Two values, or one and a number; two of one shape are tied channel by channel."""
    values = values_in((args, kwargs))
    if len(values) == 1:
        return _with_number(walk, node, values[0], args)
    if len(values) != 2 or (node.target in kinds.DIVIDED and values[1].ids.any()):
        # 0 / 0 is no number: masks could not make a divisor zero.
        return walk.unknown(node, args, kwargs)
    shape = walk.shape(node)
    first, second = (_aligned(value, len(shape)) for value in values)
    if _is_narrow(first, second):
        return _broadcast(walk, node, first, second)
    if _is_narrow(second, first):
        return _broadcast(walk, node, second, first)
    walk.tie(first.ids, second.ids, f"it is joined at {walk.called(node)} with what cannot be removed")
    if node.target in kinds.ADDED:
        walk.added += [first.ids.ravel(), second.ids.ravel()]
    # Tied ids are one: those of the operand that differs in fewer dimensions stand for both.
    ids = min(first.ids, second.ids, key=np.size)
    return compact(2 * ids | _nonzero(node, first, second), shape)


def _nonzero(node, first, second):
    """1 where the result is not zero although its channel is masked."""
    if node.target in kinds.MULTIPLIED:
        return first.codes & second.codes & 1
    return (first.codes | second.codes) & 1


def _aligned(value, rank):
    """With dimensions of size 1 in front, as torch broadcasts."""
    front = (1,) * (rank - len(value.shape))
    return Value(value.codes.reshape(front + value.codes.shape), front + value.shape)


def _is_narrow(value, other):
    """True if a value has one position along a dimension in which the channels of the other differ."""
    return any(value.shape[d] == 1 and other.shape[d] > 1 for d in other.varying)


def _with_number(walk, node, value, args):
    """Joined with a number: a product or quotient stays zero, a sum does not."""
    is_divisor = node.target in kinds.DIVIDED and not isinstance(args[0], Value)
    if is_divisor:
        return walk.unknown(node, args, {})
    return Value(value.codes | (node.target not in SCALED), walk.shape(node))


def _broadcast(walk, node, narrow, wide):
    """One channel meets many, as a map of attention does: it stays, and they are as many as before."""
    walk.protect(narrow, f"one channel meets all others at {walk.called(node)}")
    codes = np.array(np.broadcast_arrays(wide.codes, narrow.codes)[0])
    return Value(codes | (node.target not in SCALED), walk.shape(node))
