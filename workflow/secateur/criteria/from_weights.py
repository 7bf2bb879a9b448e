"""Scores of channels from weights alone."""

import dataclasses
from collections.abc import Collection
from typing import cast

import numpy as np
import torch
from torch import nn

from secateur import Refused
from secateur.criteria import locations
from secateur.graph import tracing


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer's filters (C, ...), and the weights (C,) of the BatchNorm behind it or None; both in float64.

    A feature of a linear layer is a channel, and its row of weights the filter.
    """

    name: str
    filters: torch.Tensor
    scale: torch.Tensor | None


def l1(layer: Layer) -> torch.Tensor:
    """(C,): the sum of a filter's absolute weights (Li et al., ICLR 2017)."""
    return layer.filters.flatten(1).abs().sum(1)


def l2(layer: Layer) -> torch.Tensor:
    """(C,): the Euclidean norm of a filter (He et al., IJCAI 2018)."""
    return layer.filters.flatten(1).norm(dim=1)


def fpgm(layer: Layer) -> torch.Tensor:
    """(C,): the sum of a filter's distances to all filters of its layer, small near their median (He et al., 2019)."""
    filters = layer.filters.flatten(1)
    # Products would be faster, but two equal filters would lie 1e-8 apart.
    return torch.cdist(filters, filters, compute_mode="donot_use_mm_for_euclid_dist").sum(1)


def bn_scale(layer: Layer) -> torch.Tensor:
    """(C,): the absolute weight of the BatchNorm behind the convolution (Liu et al., ICCV 2017)."""
    if layer.scale is None:
        raise Refused(
            f"bn_scale needs a BatchNorm with weights right behind every layer, and {layer.name} has none; "
            "leave bn_scale out of criteria.scores"
        )
    return layer.scale.abs()


OF_WEIGHTS = {"l1": l1, "l2": l2, "fpgm": fpgm, "bn_scale": bn_scale}


@torch.no_grad()
def of_weights(model: nn.Module, name: str, layers: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """{layer: scores (C,) in float64} of one of OF_WEIGHTS, for these layers or for all convolutions.

    Raises Refused that names the layer for which the score is not defined.
    """
    modules = dict(model.named_modules())
    scores = {}
    for layer, nodes in locations.calls(tracing.traced(model), modules, layers).items():
        weight = cast(torch.Tensor, modules[layer].weight)
        described = Layer(layer, weight.double(), _scale(nodes[0], modules))
        scores[layer] = OF_WEIGHTS[name](described).numpy()
    return scores


def _scale(node, modules) -> torch.Tensor | None:
    """The weights of the BatchNorm right behind a layer's node, (C,), or None."""
    norm = locations.norm(node, modules)
    if norm is None or modules[norm.target].weight is None:
        return None
    return modules[norm.target].weight.double()
