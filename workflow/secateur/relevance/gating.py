"""Channels without relevance by rule: those whose every path to the classes only gates others."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from secateur.relevance import places, unweighted_layers

if TYPE_CHECKING:
    from torch import fx

    from secateur.relevance.propagation import Propagator
    from secateur.relevance.traced import Forward, Graph


def layers_without(propagator: Propagator, shape: Sequence[int]) -> dict[str, list[int]]:
    """{layer: [channel, ...]} of all channels that only gate others; `shape` (C, H, W) is that of the images."""
    graph = propagator.graph
    if graph.pool == "plain":
        return {}
    like = next(propagator.model.parameters())
    images = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0)).to(like)
    with torch.no_grad():
        forward = propagator.forward(images)
        explained, joined = _joined(graph, forward, gates=False), _joined(graph, forward, gates=True)
    without = {}
    for layer in filter(joined.__contains__, propagator.read):
        channels = joined[layer] & ~explained.get(layer, torch.zeros_like(joined[layer]))
        if channels.any():
            without[layer] = channels.nonzero().flatten().tolist()
    return without


def _joined(graph: Graph, forward: Forward, gates: bool) -> dict[str, torch.Tensor]:
    """{layer: (C,) bool}: the channels that paths join to the classes, through `gates` or not."""
    arriving: dict[fx.Node, unweighted_layers.Relevance] = {graph.logits: torch.ones_like(forward.values[graph.logits])}
    channels = {}
    for node in reversed(graph.nodes):
        if node not in arriving or node.op == "placeholder":
            continue
        R = arriving.pop(node)
        if not graph.is_linear(node):
            parts = unweighted_layers.joined(graph, node, forward, R, gates)
            unweighted_layers.add(arriving, {source: _absolute(part) for source, part in parts.items()})
            continue
        # A linear layer gives one tensor.
        maps = places.as_maps(typing.cast(torch.Tensor, R), graph.module(node))
        joined = maps.abs().flatten(2).sum((0, 2)) > 0
        channels[node.target] = channels.get(node.target, torch.zeros_like(joined)) | joined
        (source,) = node.all_input_nodes
        unweighted_layers.add(arriving, {source: torch.ones_like(forward.values[source])})
    return channels


def _absolute(part):
    return list(map(torch.abs, part)) if isinstance(part, list) else part.abs()
