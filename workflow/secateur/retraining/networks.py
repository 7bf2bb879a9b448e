"""Pruned and retrained networks: their widths, their performance, and their files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from secateur import cost
from secateur.evaluation import low_precision
from secateur.evaluation.measuring import ByImage
from secateur.images import store
from secateur.models import checkpoints, tensor_files
from secateur.models.description import NetworkDescription
from secateur.pruning import groups, plans
from secateur.units.coupling import Coupling

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Widths:
    """The size of a network without the channels of a plan."""

    units: int  # count of removed units
    realised: float  # removed share of what the budget counts
    cost: cost.Cost
    empty: list[str]  # layers without channels
    constant: bool  # whether it gives all images the same logits, so that it cannot be retrained


def widths(coupled: Coupling, ranking: pandas.DataFrame, plan: dict[str, list[int]], budget: str = "units") -> Widths:
    """The Widths of a plan of a Coupling's network; `budget` is that of `pruning.plan`."""
    empty = groups.collapsed(coupled.model, plan)
    return Widths(
        units=plans.units_of(ranking, plan),
        realised=plans.realised(ranking, plan, budget, coupled),
        cost=coupled.counter.left(groups.removed_by(coupled, plan)),
        empty=empty,
        constant=bool(empty) and groups.is_constant(coupled, plan),
    )


def measured(model: nn.Module, images: store.Images, precision: str, images_per_batch: int) -> ByImage:
    """The ByImage of a model on all images of a split, BatchNorm folded as in every evaluation."""
    device = next(model.parameters()).device
    example = images.normalised(slice(0, 1)).to(device)
    return low_precision.of_unfolded(model, precision, example, _batches_on(device, images, images_per_batch))


def _batches_on(device, images, images_per_batch):
    for _, pixels, labels in store.batches(images, images_per_batch):
        yield pixels.to(device), labels.to(device)


def save(
    path: Path | str, model: nn.Module, described: NetworkDescription, facts: dict[str, Any], plan: dict[str, list[int]]
) -> None:
    """Write a smaller network, with the description of the dense one, the plan and other facts."""
    checkpoints.save(path, model, described, facts | {"removed": _removed(plan)})


def save_nothing(
    path: Path | str, described: NetworkDescription, facts: dict[str, Any], plan: dict[str, list[int]], empty: list[str]
) -> None:
    """Write a file in place of a network that could not be retrained because these layers have no channels left."""
    about = checkpoints.about_of(described, facts | {"removed": _removed(plan), "constant": True, "empty": empty})
    tensor_files.write(path, {"state_dict": {}, "about": about})


def _removed(plan):
    """A plan as plain data."""
    return {layer: list(map(int, indices)) for layer, indices in plan.items()}
