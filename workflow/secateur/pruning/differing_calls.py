"""Calls of a smaller network's modules that answer otherwise than in the dense one, read from the dense graph alone.

A call is (module, count of its earlier calls), in the order of computation.
"""

import collections
from collections.abc import Iterator

import numpy as np
from torch import fx, nn

from secateur.graph import tracing
from secateur.pruning.pruned_graph import PrunedGraph
from secateur.units.coupling import Coupling

Call = tuple[str, int]
# Functions that mix channels by weights that they are given.
MIXING = {"conv2d", "linear", "matmul", "bmm", "einsum", "addmm"}


def calls(graph: fx.Graph) -> Iterator[tuple[fx.Node, Call]]:
    """(node, its call) of every call of a module."""
    counts: collections.Counter[str] = collections.Counter()
    for node in graph.nodes:
        if node.op == "call_module":
            name = str(node.target)
            yield node, (name, counts[name])
            counts[name] += 1


def of(coupled: Coupling, removed: np.ndarray) -> set[Call]:
    """The calls that answer otherwise without the groups marked in `removed`, (groups,) bool, once layers are refitted.

    A layer is refitted where it reads otherwise, or fewer channels than it mixes; then all of its calls answer
    otherwise, and so does all that reads them.
    """
    graph = _Differing(coupled, removed)
    refitted: set[str] = set()
    while True:
        found = graph.calls(refitted)
        names = {name for name, _ in found if name in coupled.outputs}
        if names == refitted:
            return found
        refitted = names


class _Differing:
    """The graph of a network without some groups, and which of its values differ from the dense network's."""

    def __init__(self, coupled, removed):
        self.coupled, self.removed, self.pruned = coupled, removed, PrunedGraph(coupled, removed)
        self.by_node = dict(calls(coupled.graph.graph))
        self.modules = dict(coupled.graph.named_modules())

    def calls(self, refitted):
        """The calls that differ if some layers have other weights."""
        differs: dict[fx.Node, bool] = {}
        for node in self.coupled.graph.graph.nodes:
            read = any(differs[source] for source in node.all_input_nodes)
            changed = read or self._mixes_fewer(node) or (node in self.by_node and self.by_node[node][0] in refitted)
            # Sizes are no answers.
            differs[node] = changed and node not in self.coupled.plain
            if differs[node] and tracing.overwrites(node, self.modules):
                differs |= dict.fromkeys(self._overwritten(node), True)
        return {call for node, call in self.by_node.items() if differs[node]}

    def _overwritten(self, node):
        """The values that an operation in place may change, back to a layer's answer or the images."""
        while node.all_input_nodes:
            node = node.all_input_nodes[0]
            yield node
            if node.op == "call_module" and node.target in self.coupled.outputs:
                return

    def _mixes_fewer(self, node):
        """True if what is left of a value was made of channels that are removed."""
        if node.op == "call_module" and node.target in self.coupled.inputs:
            return self._layer_mixes_fewer(str(node.target))
        if node.op not in ("call_function", "call_method") or node in self.coupled.plain:
            return False
        if not any(self._loses(source) for source in node.all_input_nodes):
            return False
        return getattr(node.target, "__name__", node.target) in MIXING or not self._loses(node)

    def _loses(self, node):
        return node not in self.coupled.plain and self.pruned.loses_channels(node)

    def _layer_mixes_fewer(self, name):
        """True if a layer, or one group of it, has outputs left and lost inputs."""
        lost, gone = (self.removed[ids[name]] for ids in (self.coupled.inputs, self.coupled.outputs))
        layer = self.coupled.model.get_submodule(name)
        groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
        return bool((lost.reshape(groups, -1).any(1) & ~gone.reshape(groups, -1).all(1)).any())
