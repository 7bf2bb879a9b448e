"""Layers whose answers are added to another value, as at the end of a residual branch.

What the other value lacks can be made up by such a layer, so that errors of a stream do not add up from block to block.
"""

from __future__ import annotations

import collections
import dataclasses
import operator
from collections.abc import Container, Sequence
from typing import cast

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from secateur.graph import tracing
from secateur.pruning import differing_calls, layer_rows
from secateur.pruning.differing_calls import Call

ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


@dataclasses.dataclass(frozen=True)
class Added:
    """A layer's call, the name of the BatchNorm between, if any, the addition, and the other value that it adds."""

    node: fx.Node
    norm: str | None
    addition: fx.Node
    other: fx.Node


def of(graph: fx.GraphModule, among: Container[Call] | None = None) -> dict[Call, Added]:
    """{call: how it is added} of the layers, called once, whose answer one addition alone reads; of all, or of some.

    Of two layers of one addition it is the one that reads more for each answer, which can make up more, else the later.
    """
    modules, nodes = dict(graph.named_modules()), list(graph.graph.nodes)
    called = dict(differing_calls.calls(graph.graph))
    counts = collections.Counter(name for name, _ in called.values())
    once = {name for name, count in counts.items() if count == 1}
    chosen: dict[fx.Node, tuple[int, Call, Added]] = {}
    for node, call in called.items():
        module = modules[call[0]]
        if not isinstance(module, layer_rows.Layer) or call[0] not in once or (among is not None and call not in among):
            continue
        added = _added(node, modules, once)
        if added is None or _is_overwritten(added, nodes, modules):
            continue
        width = layer_rows.as_rows(cast(torch.Tensor, module.weight)).shape[1]
        if added.addition not in chosen or width >= chosen[added.addition][0]:
            chosen[added.addition] = width, call, added
    return {call: added for _, call, added in chosen.values()}


def _added(node, modules, once):
    """The Added of a call of a layer, or None."""
    norm, last = None, node
    reader = _only_reader(node)
    while reader is not None and reader.op == "call_module":
        module = modules[str(reader.target)]
        if not isinstance(module, nn.Identity):
            own = isinstance(module, _BatchNorm) and module.running_mean is not None and str(reader.target) in once
            if norm or not own:
                return None
            norm = str(reader.target)
        last, reader = reader, _only_reader(reader)
    if reader is None or reader.target not in ADDITIONS or reader.kwargs or len(reader.args) != 2:
        return None
    others = [value for value in reader.args if value is not last]
    # A parameter is no value of each image.
    if len(others) != 1 or not isinstance(others[0], fx.Node) or others[0].op == "get_attr":
        return None
    return Added(node, norm, reader, others[0])


def _is_overwritten(added, nodes, modules):
    """True if an operation in place stands between a layer and its addition: only the order as given holds."""
    between = nodes[nodes.index(added.node) + 1 : nodes.index(added.addition)]
    return any(tracing.overwrites(node, modules) for node in between)


def _only_reader(node):
    return next(iter(node.users)) if len(node.users) == 1 else None


def ordered(nodes: Sequence[fx.Node], wanted: Sequence[Added]) -> list[fx.Node]:
    """The nodes of a graph in an order by which the other value of an addition is computed before its layer."""
    order = list(nodes)
    for added in wanted:
        place = order.index(added.node)
        behind = order[place + 1 :]
        moved = _needed(added.other, {*behind})
        order = order[:place] + [node for node in behind if node in moved] + [added.node]
        order += [node for node in behind if node not in moved]
    return order


def _needed(node, among):
    """A node and all that it is computed from, of those among some nodes."""
    found, open_nodes = set(), [node]
    while open_nodes:
        one = open_nodes.pop()
        if one in among and one not in found:
            found.add(one)
            open_nodes += one.all_input_nodes
    return found
