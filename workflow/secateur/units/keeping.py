"""Operations behind which a channel is the same channel: activations, normalisation, pools, means over positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import fx, nn
from torch.fx.node import map_arg

from secateur.graph import operation_kinds as kinds
from secateur.units import operations
from secateur.units.channel_ids import Value, first, values_in

if TYPE_CHECKING:
    from secateur.units.walk import Walk


def elementwise(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of one value: its channels, which it may leave nonzero where they are masked."""
    if len(values_in((args, kwargs))) > 1:
        return walk.unknown(node, args, kwargs)
    value = first(args, kwargs)
    return Value(value.codes | (not _keeps_zero(walk, node)), walk.shape(node))


@torch.no_grad()
def _keeps_zero(walk, node):
    """True if an elementwise function of 0 is 0."""
    zero = torch.zeros(1, 1, 1, 1)
    module = walk.module(node)
    if module is not None:
        return bool((module(zero) == 0).all())
    if node.target in kinds.MOVED or kinds.is_stochastic_depth(node):
        return True
    inputs = {source: _zero_for(walk.values[source], zero) for source in node.all_input_nodes}
    args, kwargs = map_arg((node.args, node.kwargs), inputs.__getitem__)
    return bool((operations.computed(node, args, kwargs) == 0).all())


def _zero_for(value, zero):
    """Zero in place of a tensor; sizes and counts as they are."""
    if isinstance(value, Value):
        return zero
    return value


def prelu(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A PReLU, whose slopes belong to channels unless there is one for all."""
    value, module = first(args, kwargs), cast(nn.PReLU, walk.module(node))
    if module.num_parameters == 1:
        return value
    return _per_channel(walk, node, value, module, value.codes)


def norm(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Masked, its weight and bias are zero, whatever it reads; without them it is not zero."""
    value, module = first(args, kwargs), walk.layer(node, kinds.NORMS)
    if module is None:
        return walk.unknown(node, args, kwargs)
    nonzero = not module.affine
    return _per_channel(walk, node, value, module, value.codes & ~1 | nonzero)


def _per_channel(walk, node, value, module, codes):
    """A module with parameters for each channel, which are removed with it."""
    if value.varies_beside(1):
        return walk.unknown(node, (value,), {})
    name = walk.names[id(module)]
    ids = np.broadcast_to(value.ids.ravel(), value.shape[1])
    if name in walk.norms:
        walk.tie(walk.norms[name], ids, f"{name} is called more than once")
    walk.norms.setdefault(name, ids)
    return Value(codes, walk.shape(node))


def spatial(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A pool, resizing or padding of maps."""
    value, module = first(args, kwargs), walk.module(node)
    if value.varies_beside(1) or not walk.gives_one_tensor(node):
        return walk.unknown(node, args, kwargs)
    is_filled = isinstance(module, nn.ConstantPad2d) and module.value != 0
    return Value(value.codes | is_filled, walk.shape(node))


def softmax(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Over a dimension along which channels do not lie, as that of branches: nothing is mixed, nothing stays zero."""
    value, module = first(args, kwargs), cast(nn.Softmax | nn.LogSoftmax | None, walk.module(node))
    dim = operations.argument(args, kwargs, 1, "dim") if module is None else module.dim
    if dim is None or value.axis in (None, dim % len(value.shape)):
        return walk.unknown(node, args, kwargs)
    return Value(value.codes | 1, value.shape)


def reduced(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Means and sums over dimensions along which channels do not lie; channels side by side there are tied."""
    value, dims = first(args, kwargs), operations.argument(args, kwargs, 1, "dim", "axis")
    if dims is None or not walk.gives_one_tensor(node):
        return walk.unknown(node, args, kwargs)
    rank = len(value.shape)
    dims = {d % rank for d in np.atleast_1d(dims).tolist()}
    if value.axis in dims:
        return walk.unknown(node, args, kwargs)
    codes = value.codes
    for d in dims.intersection(value.varying):
        codes = _tied_along(walk, node, codes, d)
    shape = walk.shape(node)
    if len(shape) != rank:
        codes = codes.squeeze(tuple(dims))
    return Value(codes, shape)


def _tied_along(walk, node, codes, d):
    """Codes with size 1 along a dimension, in which all channels are tied to the first."""
    front, rest = codes.take([0], d), codes.take(range(1, codes.shape[d]), d)
    walk.tie(front >> 1, rest >> 1, f"it is added to others at {walk.called(node)}")
    return front | (codes & 1).max(d, keepdims=True)
