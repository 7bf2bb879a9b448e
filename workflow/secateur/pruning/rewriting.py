"""A forward that fits fewer channels: numbers in the code (pads, views, slices, splits) that counted them.

What each node makes of the channels that are left is computed with the numbers of `units/coupling.py` and compared with
what it should make of them. Where they differ, its arguments are changed, or it is refused by name.
"""

import copy
import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.units import operations
from secateur.units.channel_ids import Value, values_in
from secateur.units.coupling import Coupling

SPLIT = {torch.chunk, torch.split, "chunk", "split"}


class Constant(nn.Module):
    """What a layer gives that has nothing left to read: its bias, or zero, at every position.

    `shape` is (C,) or (C, H, W) for images of `size` (H, W); of other images it has the same share.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear, shape: Sequence[int], size: Sequence[int]) -> None:
        super().__init__()
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone(), layer.bias.requires_grad)
        self.shape, self.size = tuple(shape), tuple(size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # Only what torch.fx traces: a smaller network is folded, retrained and pruned like any other.
        places = zip((2, 3), self.shape[1:], self.size, strict=False)
        sides = [-(-images.shape[d] * side // whole) for d, side, whole in places]
        if self.bias is None:
            return images.new_zeros((images.shape[0], self.shape[0], *sides))
        return self.bias.view(-1, *[1] * len(sides)).expand(images.shape[0], -1, *sides)


class After:
    """A Coupling after the bundles `gone`, a bool for each, have been removed."""

    def __init__(self, coupled: Coupling, gone: np.ndarray) -> None:
        self.coupled, self.gone = coupled, gone
        self.left, self.plain = {}, {}

    def value(self, node: fx.Node) -> Value | tuple[Value, ...]:
        """The node's Value (or a tuple of them) with the channels that are left."""
        if node not in self.left:
            self.left[node] = fx.node.map_aggregate(self.coupled.values[node], self._left)
        return self.left[node]

    def _left(self, value):
        if not isinstance(value, Value):
            return value
        stays = ~self.gone[value.numbers]
        if stays.all():
            return value
        axis = value.axis
        if axis is None:
            axis = min(1, len(value.shape) - 1)
            return Value(value.codes, (*value.shape[:axis], 0, *value.shape[axis + 1 :]))
        kept = stays.any(tuple(d for d in range(stays.ndim) if d != axis))
        shape = (*value.shape[:axis], int(kept.sum()), *value.shape[axis + 1 :])
        return Value(value.codes.compress(kept, axis), shape)

    def loses(self, node: fx.Node) -> bool:
        return any(self.gone[value.numbers].any() for value in values_in(self.coupled.values[node]))

    def differs(self, node: fx.Node) -> bool:
        """Whether a tensor loses channels, or a size is another."""
        return self.number(node) != self.coupled.plain[node] if node in self.coupled.plain else self.loses(node)

    def empty(self, node: fx.Node) -> bool:
        """Whether a tensor has no channel left."""
        values = values_in(self.value(node))
        return bool(values) and all(0 in value.shape for value in values)

    def number(self, node: fx.Node) -> Any:
        """A size, or whatever else is no tensor, as the smaller model computes it."""
        if node not in self.plain:
            self.plain[node] = self._number(node)
        return self.plain[node]

    def _number(self, node):
        if node.op not in ("call_function", "call_method"):
            return self.coupled.plain[node]
        of = {one: self._stand_in(one) for one in node.all_input_nodes}
        args, kwargs = (fx.node.map_arg(part, of.__getitem__) for part in (node.args, node.kwargs))
        return operations.computed(node, args, kwargs)

    def _stand_in(self, node):
        """A tensor of the right shape without values."""
        if node in self.coupled.plain:
            return self.number(node)
        return fx.node.map_aggregate(self.value(node), lambda one: torch.empty(one.shape, device="meta"))

    def resolved(self, part: Any) -> Any:
        """Arguments with Values for tensors and numbers for sizes."""
        return fx.node.map_arg(part, lambda one: self.number(one) if one in self.coupled.plain else self.value(one))

    @functools.cached_property
    def hollow(self) -> list[str]:
        """The layers that have nothing left, or nothing to read."""
        parts = (self.coupled.outputs, self.coupled.inputs)
        return [layer for layer in self.coupled.outputs if any(self.gone[part[layer]].all() for part in parts)]

    @functools.cached_property
    def constant(self) -> bool:
        """Whether no path leads from the images to the output any more: every image is answered alike."""
        if not self.hollow:
            return False
        reached = {}
        for node in self.coupled.graph.graph.nodes:
            reached[node] = node.op == "placeholder" or any(
                reached[one] and one not in self.coupled.plain and not self.empty(one) for one in node.all_input_nodes
            )
        return not reached[node]


def fitted(after: After, model: nn.Module) -> nn.Module:
    """`model`, already with the layers of `after`, with a forward that fits them; its own where that does.

    Where code has to be changed, the model becomes a torch.fx.GraphModule, whose functional dropout is off. Layers
    that have nothing left to read become their bias. Raises Refused that names what cannot be made to fit.
    """
    coupled, changes = after.coupled, {}
    for node in coupled.fitted:
        if after.loses(node) or any(after.differs(one) for one in node.all_input_nodes):
            change = _change(after, node)
            if change:
                changes[node] = change
    idle = [node for node in coupled.graph.graph.nodes if _is_idle(after, node)] if after.hollow else []
    return _rewritten(after, changes, idle, model) if changes or after.hollow else model


def _is_idle(after, node):
    """Whether a layer has something to put out, but nothing to read."""
    if node.op != "call_module" or not isinstance(
        after.coupled.graph.get_submodule(node.target), (nn.Conv2d, nn.Linear)
    ):
        return False
    return after.empty(node.all_input_nodes[0]) and not after.empty(node)


def _change(after, node):
    """(target, args) with which a node fits, or None if it does as it is."""
    if after.empty(node):
        return None
    if node.target is F.pad:
        return _changed_pad(after, node)
    if node.target in kinds.CONVOLVED:
        return _changed_groups(after, node)
    if node.target in kinds.ZEROS:
        return _changed_zeros(after, node)
    if _fits(after, node, after.resolved(node.args)):
        return None
    change = _changed_split(after, node) if node.target in SPLIT else _changed_sizes(after, node)
    if change is None or not _fits(after, node, after.resolved(change[1]), change[0]):
        raise Refused(
            f"{node.name} lays out channels in a way that fewer of them do not fit: {node.format_node()}; write it "
            "with sizes taken from the tensor, or remove other channels"
        )
    return change


def _fits(after, node, args, target=None):
    """Whether a node makes of what is left what it should."""
    module = after.coupled.graph.get_submodule(node.target) if node.op == "call_module" else None
    kwargs = after.resolved(node.kwargs) if target is None else {}
    try:
        found = operations.rearrange(node, module, args, kwargs, target)
    except (RuntimeError, ValueError, IndexError):
        return False
    found = [found] if isinstance(found, torch.Tensor) else list(found)
    wanted = [value.full() for value in values_in(after.value(node))]
    return len(found) == len(wanted) and all(map(torch.equal, found, wanted))


def _changed_pad(after, node):
    wide = after.coupled.values[node]
    pad = list(node.args[1] if len(node.args) > 1 else node.kwargs["pad"])
    given = after.resolved(pad)
    # Pads are listed from the last dimension back, two for each.
    at = 2 * (len(wide.shape) - 2)
    old = [after.coupled.plain.get(one, one) if isinstance(one, fx.Node) else one for one in pad[at : at + 2]]
    stays = ~after.gone[np.broadcast_to(wide.numbers.ravel(), wide.shape[1])]
    wanted = [int(stays[: old[0]].sum()), int(stays[len(stays) - old[1] :].sum())]
    if list(given[at : at + 2]) == wanted:
        return None
    pad[at : at + 2] = wanted
    mode = node.args[2] if len(node.args) > 2 else node.kwargs.get("mode", "constant")
    value = node.args[3] if len(node.args) > 3 else node.kwargs.get("value")
    return F.pad, (node.all_input_nodes[0], tuple(pad), mode, value)


def _changed_groups(after, node):
    """A convolution called with its number of groups: as many as are left."""
    old, new = (value.shape[1] for value in (after.coupled.values[node], after.value(node)))
    layer = after.coupled.model.get_submodule(node.args[1].target.rpartition(".")[0])
    whole = [after.coupled.model.get_submodule(name) for name, part in after.coupled.grouped.items() if part.whole]
    if old == new or not any(one is layer for one in whole):
        return None
    if len(node.args) < 7:
        raise Refused(f"{node.name} has its number of groups written out: {node.format_node()}")
    return node.target, (*node.args[:6], layer.groups * new // old)


def _changed_zeros(after, node):
    listed = isinstance(node.args[1], (tuple, list))
    sizes = list(node.args[1] if listed else node.args[1:])
    wanted = after.value(node).shape[1]
    if after.resolved(sizes)[1] == wanted:
        return None
    sizes[1] = wanted
    return node.target, (node.args[0], *([tuple(sizes)] if listed else sizes))


def _changed_split(after, node):
    dim = node.args[2] if len(node.args) > 2 else node.kwargs.get("dim", 0)
    sizes = [value.shape[dim] for value in values_in(after.value(node))]
    return torch.split, (node.args[0], sizes, dim)


def _changed_sizes(after, node):
    """Sizes written out, or slices."""
    before, wanted = after.coupled.values[node], after.value(node)
    if node.target is operator.getitem:
        return _changed_slice(after, node)
    if node.op == "call_module" or node.kwargs or not isinstance(before, Value):
        return None
    start = 2 if node.target == "unflatten" else 1
    sizes = node.args[start:]
    listed = len(sizes) == 1 and isinstance(sizes[0], (tuple, list))
    sizes = list(sizes[0] if listed else sizes)
    offset = node.args[1] if start == 2 else len(before.shape) - len(sizes)
    for place, size in enumerate(sizes):
        d, given = place + offset, after.resolved(size)
        if not 0 <= d < len(before.shape) or given == -1:
            continue
        # A size may be counted on a tensor that lost channels, though this one did not; how many images is not fixed.
        if before.shape[d] != wanted.shape[d] or (d > 0 and given != wanted.shape[d]):
            sizes[place] = wanted.shape[d]
    return node.target, (*node.args[:start], *([tuple(sizes)] if listed else sizes))


def _changed_slice(after, node):
    """The first and last of the channels left; None where they are picked otherwise."""
    source, index = node.args
    whole, d = after.coupled.values[source], after.coupled.values[source].axis
    places = list(index) if isinstance(index, tuple) else [index]
    if d is None or d >= len(places) or not all(isinstance(place, slice) for place in places):
        return None
    kept = ~after.gone[np.moveaxis(whole.numbers, d, -1).reshape(-1, whole.codes.shape[d])[0]]
    bounds = places[d].indices(len(kept))
    start, stop = (int(kept[:place].sum()) for place in bounds[:2])
    places[d] = slice(start, stop)
    return operator.getitem, (source, tuple(places))


def _rewritten(after, changes, idle, model):
    coupled = after.coupled
    graph = copy.deepcopy(coupled.graph.graph)
    new = dict(zip(coupled.graph.graph.nodes, graph.nodes, strict=True))
    for node, (target, args) in changes.items():
        new[node].args = fx.node.map_arg(args, new.__getitem__)
        new[node].target, new[node].op = target, "call_method" if isinstance(target, str) else "call_function"
        new[node].kwargs = {} if node.target not in kinds.ZEROS else new[node].kwargs
    first = next(node for node in new if node.op == "placeholder")
    for node in idle:
        layer = model.get_submodule(node.target)
        shape, whole = after.value(node).shape, coupled.values[first].shape
        if len(shape) == 3 or (len(shape) == 4 and isinstance(layer, nn.Linear)):
            raise Refused(f"nothing would be left of what {node.target} reads; keep at least one channel of it")
        model.set_submodule(node.target, Constant(layer, shape[1:], whole[2:]))
        new[node].args, new[node].kwargs = (new[first],), {}
    _without_empty_parts(after, new)
    smaller = fx.GraphModule(model, graph, type(model).__name__)
    own = dict(smaller.named_modules())
    for name in coupled.outputs:
        # Of a layer whose weights alone are read, GraphModule takes no more than these.
        if type(own.get(name)) is nn.Module:
            smaller.set_submodule(name, model.get_submodule(name))
    for name, module in smaller.named_modules():
        module.training = model.get_submodule(name).training if name else model.training
    return smaller


def _without_empty_parts(after, new):
    """What has no channel left is concatenated no more, nor computed."""
    for node in new:
        if node.target in kinds.CONCATENATED and not after.empty(node):
            first, name = (node.args[0], None) if node.args else (node.kwargs["tensors"], "tensors")
            parts = [new[part] for part in first if not after.empty(part)]
            if len(parts) < len(first):
                if name:
                    new[node].kwargs = {**new[node].kwargs, name: parts}
                else:
                    new[node].args = (parts, *new[node].args[1:])
    for node, copied in reversed(new.items()):
        if node.op not in ("placeholder", "output") and not copied.users and after.empty(node):
            copied.graph.erase_node(copied)
