"""The weights that a sparse network has left, counted on the network as it was saved."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from secateur import cost
from secateur.sparsity.weights import prunable


@dataclasses.dataclass(frozen=True)
class Remaining:
    """Counts of a sparse network. All but `parameters` are of prunable weights.

    `macs_left` are the multiply-adds for one image by weights that are not zero: nothing on dense hardware saves the
    others.
    """

    weights: int
    zeros: int
    by_layer: dict[str, tuple[int, int]]  # {name of a weight: (count, count of those that are not zero)}
    parameters: int
    macs: int
    macs_left: int

    @property
    def empty(self) -> list[str]:
        """The names of weights that are all zero: their layer gives all images the same outputs."""
        return [name for name, (_, left) in self.by_layer.items() if not left]


def counted(model: nn.Module, example: torch.Tensor) -> Remaining:
    """The Remaining of a model; `example` is a batch (N, C, H, W) of any values."""
    by_layer = {}
    for name, weight in prunable(model).items():
        by_layer[name] = (weight.numel(), int(weight.detach().count_nonzero()))
    positions, macs_left = cost.positions(model, example), 0
    for layer, times in positions.items():
        macs_left += times * int(model.get_parameter(f"{layer}.weight").detach().count_nonzero())
    whole = cost.of_positions(model, positions)
    weights, left = (sum(counts) for counts in zip(*by_layer.values(), strict=True))
    return Remaining(
        weights=weights,
        zeros=weights - left,
        by_layer=by_layer,
        parameters=whole.parameters,
        macs=whole.macs,
        macs_left=macs_left,
    )
