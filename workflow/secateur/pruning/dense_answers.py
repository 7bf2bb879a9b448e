"""Inputs or answers of the dense network's layers for calibration images, at sampled positions.

All plans of one network share it. Memory does not grow with the images beyond POSITIONS rows for each call of a layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, fx, nn

from secateur.graph import modes
from secateur.pruning import layer_rows
from secateur.study import seeds

# Rows of a regression at most: positions of images, sampled where there are more.
POSITIONS = 20_000
# Images of a block that is run at once.
BLOCK = 128
Call = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class Rows:
    """Sampled positions of one call of a layer, in order, among all (image, y, x) of its maps (H, W) of `size`.

    `values` (rows, channels) are those of the dense network there. A linear layer has positions too, where its input
    has more dimensions than images and features.
    """

    ids: Tensor  # (rows,) places in (images x positions), ascending
    size: tuple[int, int]
    values: Tensor

    def of_block(self, first: int, images: int) -> tuple[Tensor, Tensor, slice]:
        """(image in the block, place in its map, rows) of the sampled positions of `images` images from `first` on."""
        positions = self.size[0] * self.size[1]
        ends = torch.tensor([first * positions, (first + images) * positions])
        start, stop = torch.searchsorted(self.ids, ends).tolist()
        local = self.ids[start:stop] - first * positions
        return local // positions, local % positions, slice(start, stop)


@torch.no_grad()
def of(graph: fx.GraphModule, layers: Sequence[str], images: Tensor, inputs: bool, seed: int = 0) -> dict[Call, Rows]:
    """{(layer, count of earlier calls): its Rows} of the dense network, in the order of computation.

    `images` are normalised, (N, C, H, W); the rows are of what a layer answers, or with `inputs`, of what convolutions
    without groups read.
    """
    found: dict[Call, tuple[Tensor, tuple[int, int], list[Tensor]]] = {}
    with modes.evaluating(graph):
        for first, block in blocks(images):
            recorder = _Recorder(graph, {*layers})
            recorder.run(block.to(_device(graph)))
            for call, (module, read, answered) in recorder.calls.items():
                maps = layer_rows.maps_of(read if inputs and is_mixing(module) else answered, module)
                if call not in found:
                    size = maps.shape[2], maps.shape[3]
                    found[call] = (_sampled(len(images) * size[0] * size[1], seed, call), size, [])
                ids, size, parts = found[call]
                sampled, places, _ = Rows(ids, size, torch.empty(0)).of_block(first, len(maps))
                parts.append(layer_rows.rows_of(maps, sampled, places))
    return {call: Rows(ids, size, torch.cat(parts)) for call, (ids, size, parts) in found.items()}


def is_mixing(module: nn.Module) -> bool:
    """True for a convolution without groups, which mixes all its input channels."""
    return isinstance(module, nn.Conv2d) and module.groups == 1


def _sampled(count, seed, call):
    """(rows,) places of `count`, in ascending order."""
    if count <= POSITIONS:
        return torch.arange(count)
    generator = seeds.torch_generator(seed, "positions", *call)
    return torch.randperm(count, generator=generator)[:POSITIONS].sort().values


class _Recorder(fx.Interpreter):
    """A run of a graph that keeps what some layers read and answer."""

    def __init__(self, graph: fx.GraphModule, layers: set[str]) -> None:
        super().__init__(graph)
        self.layers, self.calls = layers, {}
        self.counts: dict[str, int] = {}

    def call_module(self, target, args, kwargs):
        answered = super().call_module(target, args, kwargs)
        name = str(target)
        if name in self.layers:
            place = self.counts.get(name, 0)
            self.counts[name] = place + 1
            self.calls[name, place] = (self.fetch_attr(name), args[0], answered)
        return answered


def _device(graph: nn.Module) -> torch.device:
    return next(graph.parameters()).device


def blocks(images: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(place of the first, images) of every block."""
    for first in range(0, len(images), BLOCK):
        yield first, images[first : first + BLOCK]
