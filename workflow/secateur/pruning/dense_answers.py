"""Inputs or answers of the dense network's layers for calibration images, at sampled positions.

All plans of one network share it. Memory does not grow with the images beyond POSITIONS rows for each call of a layer.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, fx, nn

from secateur.graph import modes
from secateur.pruning import layer_rows
from secateur.pruning.added_layers import Added
from secateur.pruning.differing_calls import Call
from secateur.pruning.layer_rows import Layer
from secateur.study import seeds

# Rows of a regression at most: positions of images, sampled where there are more.
POSITIONS = 20_000
# Images of a block that is run at once.
BLOCK = 128


@dataclasses.dataclass(frozen=True)
class Rows:
    """Sampled positions of one call of a layer, in order, among all (image, y, x) of its maps (H, W) of `size`.

    `values` (rows, channels) are those of the dense network there, and `added` what is added to the layer's answer
    there, where it is known. A linear layer has positions too, where its input has more dimensions than images and
    features.
    """

    ids: Tensor  # (rows,) places in (images x positions), ascending
    size: tuple[int, int]
    values: Tensor
    added: Tensor | None = None

    def of_block(self, first: int, images: int) -> tuple[Tensor, Tensor, slice]:
        """(image in the block, place in its map, rows) of the sampled positions of `images` images from `first` on."""
        positions = self.size[0] * self.size[1]
        ends = torch.tensor([first * positions, (first + images) * positions])
        start, stop = torch.searchsorted(self.ids, ends).tolist()
        local = self.ids[start:stop] - first * positions
        return local // positions, local % positions, slice(start, stop)


@torch.no_grad()
def of(
    graph: fx.GraphModule,
    layers: Sequence[str],
    images: Tensor,
    inputs: bool,
    added: Mapping[Call, Added] | None = None,
    seed: int = 0,
) -> dict[Call, Rows]:
    """{(layer, count of earlier calls): its Rows} of the dense network, in the order of computation.

    `images` are normalised, (N, C, H, W); the rows are of what a layer answers, or with `inputs`, of what convolutions
    without groups read. Of the calls in `added` they hold what is added to the answer. A layer of which a call reads
    something else than one entry for each image is left out.
    """
    recorder = _Recorder(graph, {*layers}, len(images), inputs, added or {}, seed)
    with modes.evaluating(graph):
        for first, block in blocks(images):
            # A copy: a network may overwrite what it gets.
            recorder.record(first, block.to(_device(graph), copy=True))
    return recorder.rows()


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
    """Runs of a graph that keep rows of what some layers read and answer."""

    def __init__(
        self,
        graph: fx.GraphModule,
        layers: set[str],
        images: int,
        inputs: bool,
        added: Mapping[Call, Added],
        seed: int,
    ) -> None:
        super().__init__(graph)
        self.layers, self.images, self.inputs, self.seed = layers, images, inputs, seed
        self.added = {one.addition: (call, one.other) for call, one in added.items()}
        self.beside: dict[Call, list[Tensor]] = {call: [] for call in added}
        self.ids: dict[Call, Tensor] = {}
        self.sizes: dict[Call, tuple[int, int]] = {}
        self.parts: dict[Call, list[Tensor]] = {}
        self.left_out: set[str] = set()

    def record(self, first: int, block: Tensor) -> None:
        """Keep the rows of a block of images, of which `first` is the place of its first one."""
        self.first, self.block = first, len(block)
        self.counts: collections.Counter[str] = collections.Counter()
        self.run(block)

    def run_node(self, n):
        if n in self.added:
            # Before the addition, which may be in place.
            call, other = self.added[n]
            self._keep_other(call, cast(Layer, self.fetch_attr(call[0])), self.env[other])
        return super().run_node(n)

    def _keep_other(self, call, module, value):
        """Keep rows of what is added to a layer's answer, where that is as large."""
        if call in self.ids and isinstance(value, Tensor) and len(value) == self.block:
            maps = layer_rows.maps_of(value, module)
            if (maps.shape[2], maps.shape[3]) == self.sizes[call] and maps.shape[1] == module.weight.shape[0]:
                self.beside[call].append(self._rows(call, maps))

    def _rows(self, call, maps):
        """The sampled rows of a block's maps."""
        rows = Rows(self.ids[call], self.sizes[call], torch.empty(0))
        sampled, places, _ = rows.of_block(self.first, len(maps))
        return layer_rows.rows_of(maps, sampled, places)

    def call_module(self, target, args, kwargs):
        answered = super().call_module(target, args, kwargs)
        name = str(target)
        if name in self.layers:
            module = cast(Layer, self.fetch_attr(name))
            read = args[0] if args else kwargs["input"]
            self._keep((name, self.counts[name]), module, read, answered)
            self.counts[name] += 1
        return answered

    def _keep(self, call, module, read, answered):
        """Keep rows at once: what follows may overwrite a value."""
        if len(read) != self.block or len(read.shape) == 1:
            self.left_out.add(call[0])
            return
        maps = layer_rows.maps_of(read if self.inputs and is_mixing(module) else answered, module)
        size = maps.shape[2], maps.shape[3]
        if call not in self.ids:
            self.ids[call] = _sampled(self.images * size[0] * size[1], self.seed, call)
            self.sizes[call], self.parts[call] = size, []
        self.parts[call].append(self._rows(call, maps))

    def rows(self) -> dict[Call, Rows]:
        """The rows that were kept of all blocks."""
        kept = [call for call in self.ids if call[0] not in self.left_out]
        found = {}
        for call in kept:
            values = torch.cat(self.parts[call])
            beside = torch.cat(self.beside[call]) if self.beside.get(call) else None
            # What is added to some images alone is no value of each.
            whole = beside is not None and len(beside) == len(values)
            found[call] = Rows(self.ids[call], self.sizes[call], values, beside if whole else None)
        return found


def _device(graph: nn.Module) -> torch.device:
    return next(graph.parameters()).device


def blocks(images: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(place of the first, images) of every block."""
    for first in range(0, len(images), BLOCK):
        yield first, images[first : first + BLOCK]
