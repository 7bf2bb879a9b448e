"""What each operation of a graph makes of the numbers of channels: a function for each kind, and the table of them.

kept        activations, BatchNorm, pools, means over space: the numbers stay
joined      additions, products and the like: what meets is tied
rearranged  flatten, view, permute, slices, splits, concatenation: the operation itself, done on the numbers
made        convolutions and linear layers: new numbers; grouped ones tie what must go together

Every function takes the walk of `coupling.py`, which keeps the books, the node, and its arguments with Values for
tensors.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from secateur.graph import operation_kinds as kinds
from secateur.graph import shapes
from secateur.units.channel_ids import Value, compact, first, values_in

if TYPE_CHECKING:
    from secateur.units.coupling import _Walk


SCALED = kinds.MULTIPLIED | kinds.DIVIDED


@dataclasses.dataclass(frozen=True)
class Grouped:
    """How a grouped convolution loses channels: whole groups, or the i-th channel of all groups alike."""

    groups: int
    whole: bool


# ---- what keeps the channels ---------------------------------------------------------------------------------


def elementwise(walk: _Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
    (value, *others) = values_in((args, kwargs))
    if others:
        return walk.unknown(node, args, kwargs)
    return Value(value.codes | (not _keeps_zero(walk, node)), tuple(walk.shapes[node]))


@torch.no_grad()
def _keeps_zero(walk, node):
    """Whether an elementwise function of 0 is 0."""
    zero = torch.zeros(1, 1, 1, 1)
    module = walk.module(node)
    if module is not None:
        return bool((module(zero) == 0).all())
    if node.target in kinds.MOVED or kinds.is_stochastic_depth(node):
        return True
    of = {one: zero if isinstance(walk.values[one], Value) else walk.values[one] for one in node.all_input_nodes}
    args, kwargs = (fx.node.map_arg(part, of.__getitem__) for part in (node.args, node.kwargs))
    found = computed(node, args, kwargs)
    return bool((found == 0).all())


def computed(node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function or method of the graph, on given arguments."""
    if node.op == "call_method":
        return getattr(args[0], node.target)(*args[1:], **kwargs)
    return node.target(*args, **kwargs)


def _prelu(walk, node, args, kwargs):
    value = first(args, kwargs)
    module = walk.module(node)
    return value if module.num_parameters == 1 else _per_channel(walk, node, value, module, 0)


def _norm(walk, node, args, kwargs):
    """Silenced, BatchNorm's weight and bias are zero, whatever it reads; without them it is not silent."""
    module = walk.layer(node, kinds.NORMS)
    if module is None:
        return walk.unknown(node, args, kwargs)
    return _per_channel(walk, node, first(args, kwargs), module, 0 if module.affine else 1)


def _per_channel(walk, node, value, module, unsilenced):
    if any(d != 1 for d in value.varying):
        return walk.unknown(node, (value,), {})
    name = walk.names[id(module)]
    numbers = np.broadcast_to(value.numbers.ravel(), value.shape[1])
    if name in walk.norms:
        walk.tie(walk.norms[name], numbers, f"{name} is called more than once")
    walk.norms.setdefault(name, numbers)
    codes = value.codes & ~1 if isinstance(module, kinds.NORMS.modules) else value.codes
    return Value(codes | unsilenced, tuple(walk.shapes[node]))


def _spatial(walk, node, args, kwargs):
    value, module = first(args, kwargs), walk.module(node)
    if any(d != 1 for d in value.varying) or not shapes.is_shape(walk.shapes[node]):
        return walk.unknown(node, args, kwargs)
    filled = isinstance(module, nn.ConstantPad2d) and module.value != 0
    return Value(value.codes | filled, tuple(walk.shapes[node]))


def _softmax(walk, node, args, kwargs):
    """Over a dimension in which channels do not go, as that of branches: nothing is mixed, and nothing stays zero."""
    value, module = first(args, kwargs), walk.module(node)
    dim = module.dim if module is not None else args[1] if len(args) > 1 else kwargs.get("dim")
    if dim is None or value.axis in (None, dim % len(value.shape)):
        return walk.unknown(node, args, kwargs)
    return Value(value.codes | 1, value.shape)


def _reduced(walk, node, args, kwargs):
    """Means and sums over dimensions along which channels do not go; what lies side by side there is tied."""
    value = first(args, kwargs)
    dims = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
    if dims is None or not shapes.is_shape(walk.shapes[node]):
        return walk.unknown(node, args, kwargs)
    dims = {d % len(value.shape) for d in (dims if isinstance(dims, (tuple, list)) else [dims])}
    if value.axis in dims:
        return walk.unknown(node, args, kwargs)
    codes = value.codes
    for d in dims & set(value.varying):
        rest = codes.take(range(1, codes.shape[d]), d)
        one = codes.take([0], d)
        walk.tie(one >> 1, rest >> 1, f"it is added to others at {walk.called(node)}")
        codes = one | (codes & 1).max(d, keepdims=True)
    shape = tuple(walk.shapes[node])
    kept = len(shape) == len(value.shape)
    codes = codes if kept else codes.reshape([s for d, s in enumerate(codes.shape) if d not in dims])
    return Value(codes, shape)


# ---- what joins channels -------------------------------------------------------------------------------------


def _joined(walk, node, args, kwargs):
    values = values_in((args, kwargs))
    shape = tuple(walk.shapes[node])
    if len(values) == 1:
        return _with_number(walk, node, values[0], shape, args)
    if len(values) != 2 or (node.target in kinds.DIVIDED and values[1].numbers.any()):
        # 0 / 0 is no number: masks could not silence a divisor.
        return walk.unknown(node, args, kwargs)
    one, other = (_aligned(value, len(shape)) for value in values)
    for narrow, wide in ((one, other), (other, one)):
        if any(narrow.shape[d] == 1 and wide.shape[d] > 1 for d in wide.varying):
            return _broadcast(walk, node, narrow, wide, shape)
    why = f"it is joined at {walk.called(node)} with what cannot be removed"
    walk.tie(one.numbers, other.numbers, why)
    if node.target in kinds.ADDED:
        walk.added += [one.numbers.ravel(), other.numbers.ravel()]
    unsilenced = one.codes & other.codes & 1 if node.target in kinds.MULTIPLIED else (one.codes | other.codes) & 1
    # Tied numbers are one: those of the operand that differs in fewer dimensions stand for both.
    numbers = min(one.numbers, other.numbers, key=np.size)
    return compact(2 * numbers | unsilenced, shape)


def _aligned(value, rank):
    """With dimensions of size 1 in front, as torch broadcasts."""
    front = (1,) * (rank - len(value.shape))
    return Value(value.codes.reshape(front + value.codes.shape), front + value.shape)


def _with_number(walk, node, value, shape, args):
    """Joined with a number: what is multiplied by it or divided stays zero, what it is added to does not."""
    divisor = node.target in kinds.DIVIDED and not isinstance(args[0], Value)
    if divisor:
        return walk.unknown(node, args, {})
    return Value(value.codes | (node.target not in SCALED), shape)


def _broadcast(walk, node, narrow, wide, shape):
    """One channel meets many, as a map of attention does: it stays, and they are as many as before."""
    walk.protect(narrow, f"one channel meets all others at {walk.called(node)}")
    return Value(
        np.array(np.broadcast_arrays(wide.codes, narrow.codes)[0]) | (node.target not in SCALED),
        shape,
    )


# ---- what rearranges channels --------------------------------------------------------------------------------


def _rearranged(walk, node, args, kwargs):
    """The operation itself, on numbers instead of values."""
    found = rearrange(node, walk.module(node), args, kwargs)
    result = fx.node.map_aggregate(found, lambda one: compact(one.numpy(), one.shape))
    for value in values_in(result):
        _tie_in_blocks(walk, node, value)
    if node.target not in kinds.ALWAYS_FIT and not isinstance(walk.module(node), nn.Flatten):
        walk.fitted.append(node)
    return result


def _full(one):
    return one.full() if isinstance(one, Value) else one


def rearrange(
    node: fx.Node,
    module: nn.Module | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    target: Callable[..., Any] | str | None = None,
) -> torch.Tensor | Sequence[torch.Tensor]:
    """What a node (or another `target` in its place) makes of codes at every position in place of tensors."""
    target = node.target if target is None else target
    args, kwargs = (fx.node.map_aggregate(part, _full) for part in (args, kwargs))
    if module is not None:
        return module(*args, **kwargs)
    if isinstance(target, str):
        # Codes are spread out without memory of their own, which view cannot take.
        name = {"view": "reshape", "view_as": "reshape_as"}.get(target, target)
        return getattr(args[0], name)(*args[1:], **kwargs)
    return target(*args, **kwargs)


def _tie_in_blocks(walk, node, value):
    """Channels that lie in several dimensions (groups of a shuffle) go along one: all at the same place in it."""
    if len(value.varying) > 1:
        rows = np.moveaxis(value.numbers, value.axis, -1).reshape(-1, value.codes.shape[value.axis])
        walk.tie(rows[:1], rows[1:], f"it is laid out beside others at {walk.called(node)}")


def _sliced(walk, node, args, kwargs):
    value, index = args
    if values_in(index):
        return walk.unknown(node, args, kwargs)
    places = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in places:
        at = places.index(Ellipsis)
        missing = len(value.shape) - sum(place is not None for place in places) + 1
        places[at : at + 1] = [slice(None)] * missing
    if any(place is None for place in places):
        return _rearranged(walk, node, args, kwargs)
    touched = [d for d, place in enumerate(places) if place != slice(None) and d in value.varying]
    if any(not isinstance(places[d], slice) or places[d].step not in (None, 1) for d in touched):
        walk.protect(value, f"single channels are picked by number at {walk.called(node)}")
    if touched:
        return _rearranged(walk, node, args, kwargs)
    # Only space is cut, along which the numbers agree.
    places += [slice(None)] * (len(value.shape) - len(places))
    short = [p if d in value.varying or not isinstance(p, slice) else slice(0, 1) for d, p in enumerate(places)]
    return compact(np.array(value.full()[tuple(short)].numpy()), walk.shapes[node])


def _concatenated(walk, node, args, kwargs):
    parts = args[0] if args else kwargs["tensors"]
    dim = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
    shape = tuple(walk.shapes[node])
    dim %= len(shape)
    spread = [np.repeat(p.codes, p.shape[dim], dim) if p.codes.shape[dim] == 1 else p.codes for p in parts]
    others = np.broadcast_shapes(*[tuple(1 if d == dim else s for d, s in enumerate(one.shape)) for one in spread])
    spread = [
        np.broadcast_to(one, tuple(one.shape[d] if d == dim else s for d, s in enumerate(others))) for one in spread
    ]
    value = compact(np.concatenate(spread, dim), shape)
    _tie_in_blocks(walk, node, value)
    return value


def _shuffled(walk, node, args, kwargs):
    """The i-th channels of all groups go together, so that the groups stay equal."""
    value, module = first(args, kwargs), walk.module(node)
    groups = module.groups if module is not None else args[1] if len(args) > 1 else kwargs["groups"]
    if any(d != 1 for d in value.varying):
        return walk.unknown(node, args, kwargs)
    rows = np.broadcast_to(value.codes.ravel(), value.shape[1]).reshape(groups, -1)
    walk.tie(rows[:1] >> 1, rows[1:] >> 1, f"it is shuffled at {walk.called(node)}")
    return Value(rows.T.reshape(1, -1, *[1] * (len(value.shape) - 2)), value.shape)


def _padded(walk, node, args, kwargs):
    """Zeros beside channels are numbered like channels, so that they can go with those that they are added to."""
    value, pad = first(args, kwargs), args[1] if len(args) > 1 else kwargs["pad"]
    fill = (args[3] if len(args) > 3 else kwargs.get("value")) or 0
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")
    shape, rank = tuple(walk.shapes[node]), len(value.shape)
    by_dim = {rank - 1 - place // 2: tuple(pad[place : place + 2]) for place in range(0, len(pad), 2)}
    beside = {d: amounts for d, amounts in by_dim.items() if any(amounts) and (d == 1 or d in value.varying)}
    if set(value.varying) - {1} or set(beside) - {1} or any(min(a) < 0 for a in beside.values()):
        return walk.unknown(node, args, kwargs)
    codes = value.codes | (fill != 0 and any(any(a) for d, a in by_dim.items() if d != 1))
    if beside:
        if mode != "constant":
            return walk.unknown(node, args, kwargs)
        before, after = beside[1]
        within = np.broadcast_to(codes.ravel(), value.shape[1])
        edges = [2 * walk.new(count) | (fill != 0) for count in (before, after)]
        codes = np.concatenate([edges[0], within, edges[1]]).reshape(1, -1, *[1] * (rank - 2))
        walk.fitted.append(node)
    return Value(codes, shape)


def _zeros(walk, node, args, kwargs):
    shape = tuple(walk.shapes[node])
    if len(shape) < 2:
        return walk.fixed(node)
    walk.fitted.append(node)
    return Value(2 * walk.new(shape[1]).reshape(1, -1, *[1] * (len(shape) - 2)), shape)


# ---- layers --------------------------------------------------------------------------------------------------


def _convolution(walk, node, args, kwargs):
    conv, value = walk.layer(node, kinds.CONVOLVED), first(args, kwargs)
    if conv is None or "weight" not in conv._parameters or any(d != 1 for d in value.varying) or len(value.shape) != 4:
        return walk.unknown(node, args, kwargs)
    name = walk.names[id(conv)]
    codes = np.broadcast_to(value.codes.ravel(), conv.in_channels)
    if name not in walk.outputs:
        walk.convolutions.append(name)
    _layer(walk, node, name, conv.out_channels, codes)
    if conv.groups > 1:
        _group(walk, name, conv)
        if node.op == "call_function":
            walk.fitted.append(node)
    shape = tuple(walk.shapes[node])
    walk.positions[name] = walk.positions.get(name, 0) + shape[2] * shape[3]
    return Value(2 * walk.outputs[name].reshape(1, -1, 1, 1), shape)


def _linear(walk, node, args, kwargs):
    linear, value = walk.layer(node, kinds.TRANSFORMED), first(args, kwargs)
    last = len(value.shape) - 1
    if linear is None or "weight" not in linear._parameters or any(d != last for d in value.varying):
        return walk.unknown(node, args, kwargs)
    name = walk.names[id(linear)]
    _layer(walk, node, name, linear.out_features, np.broadcast_to(value.codes.ravel(), linear.in_features))
    shape = tuple(walk.shapes[node])
    walk.positions[name] = walk.positions.get(name, 0) + math.prod(shape[1:-1])
    return Value(2 * walk.outputs[name].reshape(*[1] * last, -1), shape)


def _layer(walk, node, name, outputs, codes):
    """What a layer reads; called again, it reads and gives the same channels as the first time."""
    if name in walk.outputs:
        walk.tie(walk.inputs[name], codes >> 1, f"{name} is called again on what cannot be removed")
        walk.unsilenced[name] = walk.unsilenced[name] | (codes & 1).astype(bool)
        return
    walk.outputs[name], walk.inputs[name] = walk.new(outputs), codes >> 1
    walk.unsilenced[name] = (codes & 1).astype(bool)


def _group(walk, name, conv):
    """A group of one input (or one output) goes as a whole; larger ones lose their i-th channels alike."""
    groups = conv.groups
    inputs, outputs = (part[name].reshape(groups, -1) for part in (walk.inputs, walk.outputs))
    whole = 1 in (inputs.shape[1], outputs.shape[1])
    walk.grouped[name] = Grouped(groups, whole)
    why = f"the grouped convolution {name} reads it beside what cannot be removed"
    if whole:
        walk.tie(inputs[:, :1], inputs[:, 1:], why)
        walk.tie(inputs[:, :1], outputs, why)
    else:
        walk.tie(inputs[:1], inputs[1:], why)
        walk.tie(outputs[:1], outputs[1:], why)


# A kind of operations, and what it does with channels; the first that has an operation counts.
OF_KINDS = (
    (kinds.CONVOLVED, _convolution),
    (kinds.TRANSFORMED, _linear),
    (kinds.NORMS, _norm),
    (kinds.kind((nn.PReLU,)), _prelu),
    (kinds.JOINED, _joined),
    (kinds.CONCATENATED, _concatenated),
    (kinds.SHUFFLED, _shuffled),
    (kinds.PADDED_ANYWHERE, _padded),
    (kinds.INDEXED, _sliced),
    (kinds.REARRANGED, _rearranged),
    (kinds.ELEMENTWISE | kinds.MOVED, elementwise),
    (kinds.SOFTMAX, _softmax),
    (kinds.SPATIAL, _spatial),
    (kinds.REDUCED, _reduced),
    (kinds.ZEROS, _zeros),
)
