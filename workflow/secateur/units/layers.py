"""Convolutions and linear layers: new ids; grouped convolutions tie channels that have to be removed together."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import fx, nn

from secateur.graph import operation_kinds as kinds
from secateur.units.channel_ids import Value, first

if TYPE_CHECKING:
    from secateur.units.walk import Walk


@dataclasses.dataclass(frozen=True)
class Grouped:
    """The way in which a grouped convolution loses channels: whole groups, or the i-th channel of all groups alike."""

    groups: int
    whole: bool


def convolution(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A Conv2d, called as a module or by a function with its weights."""
    conv, value = cast(nn.Conv2d | None, walk.layer(node, kinds.CONVOLVED)), first(args, kwargs)
    is_map = len(value.shape) == 4 and not value.varies_beside(1)
    if conv is None or "weight" not in conv._parameters or not is_map:
        return walk.unknown(node, args, kwargs)
    name = walk.names[id(conv)]
    if name not in walk.outputs:
        walk.convolutions.append(name)
    _layer(walk, name, conv.out_channels, np.broadcast_to(value.codes.ravel(), conv.in_channels))
    if conv.groups > 1:
        _group(walk, name, conv.groups)
        if node.op == "call_function":
            walk.fitted.append(node)
    shape = walk.shape(node)
    walk.positions[name] = walk.positions.get(name, 0) + shape[2] * shape[3]
    return Value(2 * walk.outputs[name].reshape(1, -1, 1, 1), shape)


def linear(walk: Walk, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A Linear, called as a module or by a function with its weights."""
    layer, value = cast(nn.Linear | None, walk.layer(node, kinds.TRANSFORMED)), first(args, kwargs)
    last = len(value.shape) - 1
    if layer is None or "weight" not in layer._parameters or value.varies_beside(last):
        return walk.unknown(node, args, kwargs)
    name, shape = walk.names[id(layer)], walk.shape(node)
    _layer(walk, name, layer.out_features, np.broadcast_to(value.codes.ravel(), layer.in_features))
    walk.positions[name] = walk.positions.get(name, 0) + math.prod(shape[1:-1])
    return Value(2 * walk.outputs[name].reshape(*[1] * last, -1), shape)


def _layer(walk, name, outputs, codes):
    """Note the inputs and outputs of a layer; called again, it has the same channels as the first time."""
    nonzero = (codes & 1).astype(bool)
    if name in walk.outputs:
        walk.tie(walk.inputs[name], codes >> 1, f"{name} is called again on what cannot be removed")
        walk.unmasked[name] = walk.unmasked[name] | nonzero
        return
    walk.outputs[name], walk.inputs[name] = walk.new(outputs), codes >> 1
    walk.unmasked[name] = nonzero


def _group(walk, name, groups):
    """Tie the groups of a convolution: small ones (one input or output) as a whole, larger ones channel by channel."""
    inputs, outputs = walk.inputs[name].reshape(groups, -1), walk.outputs[name].reshape(groups, -1)
    whole = 1 in (inputs.shape[1], outputs.shape[1])
    walk.grouped[name] = Grouped(groups, whole)
    why = f"the grouped convolution {name} reads it beside what cannot be removed"
    if whole:
        walk.tie(inputs[:, :1], inputs[:, 1:], why)
        walk.tie(inputs[:, :1], outputs, why)
    else:
        walk.tie(inputs[:1], inputs[1:], why)
        walk.tie(outputs[:1], outputs[1:], why)
