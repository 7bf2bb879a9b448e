"""Places where relevance is read: at a layer's own output, or at the input of the layer behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from secateur import Refused
from secateur.graph import operation_kinds as kinds
from secateur.graph import readers

if TYPE_CHECKING:
    from secateur.relevance.propagation import Backward, Propagator
    from secateur.relevance.traced import Forward

# Operations for which it matters along which dimension channels lie.
OF_DIMENSIONS = kinds.NORMS | kinds.SPATIAL | kinds.PADDED_ANYWHERE | kinds.REDUCED


def at_output(propagator: Propagator, forward: Forward, backward: Backward) -> dict[str, torch.Tensor]:
    """{layer: relevance (N, C, H, W)} of every layer's own output; zero where no path joins it to the class.

    Of a layer that is used twice, it is that of its first use.
    """
    graph, relevance = propagator.graph, {}
    unreached = propagator.unreached(backward)
    reached = {node.target for node in backward.outputs}
    for node in graph.nodes:
        layer = node.target
        if not graph.is_linear(node) or layer not in propagator.read or layer in unreached or layer in relevance:
            continue
        if layer in reached and node not in backward.outputs:
            continue
        R = backward.outputs.get(node)
        if R is None:
            R = torch.zeros_like(forward.values[node])
        if propagator.times_input:
            R = R * forward.values[node]
        relevance[layer] = as_maps(R, graph.modules[layer])
    return relevance


def at_next_input(propagator: Propagator, forward: Forward, backward: Backward) -> dict[str, torch.Tensor]:
    """{layer: relevance (N, C, H, W)} of the next layer's input; behind a flatten, positions add up: (N, C, 1, 1).

    Raises Refused that names a layer whose channels do not lie side by side there.
    """
    relevance = {}
    unreached = propagator.unreached(backward)
    for link in propagator.links:
        if link.node.target in unreached:
            continue
        read = forward.values[link.reader.all_input_nodes[0]]
        R = backward.inputs.get(link.reader)
        if R is None:
            R = torch.zeros_like(read)
        if propagator.times_input:
            R = R * read
        relevance[link.node.target] = _of_channels(R, link, forward, propagator.graph.modules)
    return relevance


def _of_channels(R, link, forward, modules):
    """Relevance of a reader's input as that of the channels of the layer that it reads."""
    layer, reader = modules[link.node.target], modules[link.reader.target]
    channels = len(layer.weight)
    _refuse_mixed(link, forward, channels, modules)
    if isinstance(reader, nn.Linear) and R.dim() == 2 and R.shape[1] % channels == 0:
        return R.reshape(len(R), channels, -1).sum(-1)[..., None, None]
    if isinstance(reader, nn.Conv2d) and R.shape[1] == channels:
        return R
    everywhere = isinstance(layer, nn.Linear) and isinstance(reader, nn.Linear) and R.shape[-1] == channels
    if everywhere and not any(kinds.RESHAPED.has(node, modules.get(node.target)) for node in link.between):
        return as_maps(R, reader)
    raise _misplaced(link)


def _refuse_mixed(link, forward, channels, modules):
    """Refuse an operation along other dimensions than those of the positions, as a mean over channels."""
    for node in link.between:
        if not OF_DIMENSIONS.has(node, modules.get(node.target)):
            continue
        shape = forward.values[node.all_input_nodes[0]].shape
        if shape[1] != channels or not _over_positions(node, len(shape)):
            raise _misplaced(link)


def _over_positions(node, rank):
    """True unless a node reduces the dimension of channels or that of images."""
    if node.op == "call_module" or node.target not in kinds.REDUCED:
        return True
    dims = kinds.argument(node, 1, "dim", "axis")
    return dims is not None and all(dim % rank > 1 for dim in np.atleast_1d(dims))


def _misplaced(link):
    return Refused(
        f"the channels of layer {link.node.target} do not lie side by side where {link.reader.target} reads them: "
        f"{readers.REMEDY}"
    )


def as_maps(R: torch.Tensor, module: nn.Module | None) -> torch.Tensor:
    """Relevance of a layer as maps (N, C, H, W); features of a linear layer have their positions along H."""
    if isinstance(module, nn.Conv2d):
        return R
    return readers.features(R)[..., None]


PLACES = {"output": at_output, "next_input": at_next_input}
