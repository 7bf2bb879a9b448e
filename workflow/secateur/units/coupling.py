"""Coupled channels: those of every layer, followed through the traced graph to all layers that read them.

Every output channel of a layer has an id, and ids travel with the tensors (walk.py). Channels that are joined
elementwise (additions, gates, depthwise convolutions, a layer that is called twice) are tied: they can only be removed
together. Zeros that pad channels have ids of their own, so that a shortcut's padding is removed with the channels it is
added to. What each operation does with ids stands in `handlers.py`; channels that reach an operation which stands
nowhere are protected, and the reason names it.
"""

import dataclasses
import functools
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.fx.node import map_aggregate

from secateur import cost
from secateur.graph import modes, shapes, tracing
from secateur.units.channel_ids import FIXED, Value
from secateur.units.layers import Grouped
from secateur.units.walk import Walk


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Coupling:
    """Coupled channels of a model that was followed from the images to its output.

    Arrays hold ids of groups: channels of one group can only be removed together. Units are the groups that a list
    of channels can name and nothing protects. The groups of a grouped convolution stand in `grouped` alone.
    """

    model: nn.Module
    graph: fx.GraphModule  # the model as it was traced
    convolutions: tuple[str, ...]  # names of layers, in the order of computation; so are all that follow
    outputs: dict[str, np.ndarray]  # {layer: (output channels,)} of convolutions and linear layers
    inputs: dict[str, np.ndarray]  # {layer: (input channels,)} of the same layers
    norms: dict[str, np.ndarray]  # {module: (channels,)} of other modules with parameters for each channel
    constants: dict[str, np.ndarray]  # {name: (...)} of tensors that the forward reads by itself, in their shape
    unmasked: dict[str, np.ndarray]  # {layer: (columns,)}: inputs that stay nonzero under masking
    grouped: dict[str, Grouped]  # {layer: how its own groups divide channels} of grouped convolutions
    reasons: dict[int, str]  # {group: why it cannot be removed}
    added: np.ndarray  # (groups,) bool: True if an addition joins it
    positions: dict[str, int]  # {layer: count of positions of one image to which its weights are applied}
    sizes: np.ndarray  # (groups,) channels of convolutions in each; of hidden ones, features of linear layers
    hidden: np.ndarray  # (groups,) bool: features of linear layers alone
    values: dict[fx.Node, Value]  # {node: its channels}, or tuples of them
    plain: dict[fx.Node, object]  # {node: its value} of nodes that give no tensor: sizes and counts
    fitted: tuple[fx.Node, ...]  # nodes whose arguments may have to change when channels are removed

    @functools.cached_property
    def protected(self) -> np.ndarray:
        """(groups,) bool: those that cannot be removed."""
        protected = np.zeros(len(self.sizes), bool)
        protected[list(self.reasons)] = True
        return protected

    @functools.cached_property
    def listed(self) -> tuple[str, ...]:
        """The layers that a list of channels can name: convolutions, and linear layers with features of their own."""
        return tuple(filter(lambda layer: self.own(layer).any(), self.outputs))

    def own(self, layer: str) -> np.ndarray:
        """(channels,) bool: those that a list can name; a gate's rows are removed with the channels they multiply."""
        hidden = self.hidden[self.outputs[layer]]
        return hidden | (layer in self.convolutions)

    @functools.cached_property
    def counter(self) -> cost.Counter:
        """The `cost.Counter` of the model."""
        return cost.Counter(self)


def followed(model: nn.Module, example: torch.Tensor | None = None) -> Coupling:
    """The Coupling of a model that torch.fx can trace; `example` is a batch (N, C, H, W), of which the shape counts.

    A forward that asks how large its images are is followed for images of that size. Without an example, the model is
    followed at the first square size that it takes. Raises Refused for a model that cannot be traced or run.
    """
    with modes.evaluating(model):
        traced = tracing.traced(model, None if example is None else tuple(example.shape[1:]))
    return _coupling(Walk(model, traced, shapes.of_every_node(traced, example)).run())


def _coupling(walk):
    """The Coupling that the books of a walk amount to."""
    group_of = _groups(walk.count, walk.ties)
    outputs = _by_group(walk.outputs, group_of)
    sizes, hidden = _sizes(outputs, walk.convolutions, walk.count)
    return Coupling(
        model=walk.model,
        graph=walk.traced,
        convolutions=tuple(walk.convolutions),
        outputs=outputs,
        inputs=_by_group(walk.inputs, group_of),
        norms=_by_group(walk.norms, group_of),
        constants=_by_group(walk.constants, group_of),
        unmasked=walk.unmasked,
        grouped=walk.grouped,
        reasons=_reasons(walk.reasons, group_of),
        added=_added(walk.added, group_of),
        positions=walk.positions,
        sizes=sizes,
        hidden=hidden,
        values={node: _mapped(value, group_of) for node, value in walk.values.items()},
        plain={node: value for node, value in walk.shapes.items() if not shapes.is_tensor(value)},
        fitted=tuple(walk.fitted),
    )


def _by_group(ids, group_of):
    return {name: group_of[part] for name, part in ids.items()}


def _sizes(outputs, convolutions, count):
    """(channels of convolutions in each group, or its features; True if it has features alone), (groups,) each."""
    channels, features = np.zeros(count, int), np.zeros(count, int)
    for layer, groups in outputs.items():
        if layer in convolutions:
            channels += np.bincount(groups, minlength=count)
        else:
            features += np.bincount(groups, minlength=count)
    hidden = (channels == 0) & (features > 0)
    return np.where(hidden, features, channels), hidden


def _reasons(reasons, group_of):
    """{group: the first reason why it cannot be removed}."""
    first = {}
    for ids, reason in reasons:
        for group in np.unique(group_of[ids]).tolist():
            first.setdefault(group, reason)
    first.setdefault(FIXED, "it is no channel of a layer")
    return first


def _added(parts, group_of):
    """(groups,) bool: True if an addition joins it."""
    added = np.zeros(len(group_of), bool)
    for ids in parts:
        added[group_of[ids]] = True
    added[FIXED] = False
    return added


def _groups(count, ties):
    """(count,): the smallest id that each id is tied to, directly or not."""
    labels = np.arange(count)
    if not ties:
        return labels
    first, second = map(np.concatenate, zip(*ties, strict=True))
    while True:
        low = np.minimum(labels[first], labels[second])
        new = labels.copy()
        np.minimum.at(new, labels[first], low)
        np.minimum.at(new, labels[second], low)
        while not np.array_equal(jumped := new[new], new):
            new = jumped
        if np.array_equal(new, labels):
            return labels
        labels = new


def _mapped(value, group_of):
    """A value, or several, with ids of groups in place of the ids of channels."""

    def mapped(part: Any) -> Any:
        if not isinstance(part, Value):
            return part
        return Value(2 * group_of[part.ids] + (part.codes & 1), part.shape)

    return map_aggregate(value, mapped)
