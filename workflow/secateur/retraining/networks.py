"""Pruned and retrained networks on disk: their widths, their weights, what was measured of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from secateur import cost
from secateur.evaluation import fast_layers, low_precision
from secateur.evaluation.measuring import ByImage
from secateur.graph import folding
from secateur.images import store
from secateur.models import checkpoints, tensor_files
from secateur.models.description import NetworkDescription
from secateur.pruning import groups, plans
from secateur.units.coupling import Coupling

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Widths:
    """What a plan makes of a network, before anything is retrained.

    `units` go, a share `realised` of what the budget counts; `empty` are layers with no channel left, and a
    `constant` network answers every image alike: there is nothing in it to retrain.
    """

    units: int
    realised: float
    cost: cost.Cost
    empty: list[str]
    constant: bool


def widths(coupled: Coupling, ranking: pandas.DataFrame, plan: dict[str, list[int]], budget: str = "units") -> Widths:
    """The Widths of a plan of a followed network; `budget` is that of `pruning.plan`."""
    empty = groups.collapsed(coupled.model, plan)
    return Widths(
        units=plans.units_of(ranking, plan),
        realised=plans.realised(ranking, plan, budget, coupled),
        cost=coupled.counter.left(groups.removed_by(coupled, plan)),
        empty=empty,
        constant=bool(empty) and groups.is_constant(coupled, plan),
    )


def measured(model: nn.Module, shown: store.Images, precision: str, images_per_batch: int) -> ByImage:
    """The `measuring.Measured` of a model on all images of a split, BatchNorm folded as in every evaluation."""
    device = next(model.parameters()).device
    folded = folding.folded(model, strict=False)
    replaceable = fast_layers.replaceable(folded, shown.normalised(slice(0, 1)).to(device))
    batches = store.batches(shown, images_per_batch)
    shown_batches = ((pixels.to(device), labels.to(device)) for _, pixels, labels in batches)
    return low_precision.in_precision(folded, precision, replaceable, shown_batches)


def save(
    path: Path | str, model: nn.Module, described: NetworkDescription, facts: dict[str, Any], plan: dict[str, list[int]]
) -> None:
    """Write a smaller network, with the description of the dense one and what else is worth keeping."""
    checkpoints.save(path, model, described, facts | {"removed": _removed(plan)})


def save_nothing(
    path: Path | str, described: NetworkDescription, facts: dict[str, Any], plan: dict[str, list[int]], empty: list[str]
) -> None:
    """Write what stands for a network that was not retrained because nothing is left of these layers."""
    about = checkpoints.about_of(described, facts | {"removed": _removed(plan), "constant": True, "empty": empty})
    tensor_files.write(path, {"state_dict": {}, "about": about})


def _removed(plan):
    return {layer: [int(index) for index in indices] for layer, indices in plan.items()}
