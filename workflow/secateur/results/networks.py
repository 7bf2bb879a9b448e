"""Smaller networks of a study that no file holds, made again as its evaluation made them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import nn

from secateur import Refused, recovery
from secateur.images.store import Images
from secateur.models import checkpoints
from secateur.models.checkpoints import Checkpoint
from secateur.pruning import plans, removal
from secateur.study import recovery_checks
from secateur.study.levels import Terms
from secateur.study.study import Study
from secateur.units import coupling

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Without:
    """A trained network and the channels {layer: [index, ...]} that leave it; `words` are the criterion and level."""

    dense: Checkpoint
    coupled: coupling.Coupling
    plan: dict[str, list[int]]
    words: str


def without(dense: Checkpoint, ranking: pandas.DataFrame, level: float, terms: Terms, words: str) -> Without:
    """The plan of a level of a ranking, for the network that it ranks."""
    coupled = coupling.followed(dense.model, dense.description.zeros(2))
    return Without(dense, coupled, plans.plan(ranking, level, terms, coupled), words)


def smaller(pruned: Without) -> nn.Module:
    """The smaller network as pruning leaves it, in eval mode.

    Raises Refused where nothing is left of a layer, so that there is no path from the images to the classes.
    """
    example = pruned.dense.description.zeros(1)
    try:
        return removal.removed(pruned.dense.model, pruned.plan, example, pruned.coupled).eval()
    except Refused as error:
        raise Refused(
            f"there is no smaller network of {pruned.words}: {error}. It answers all images alike (the column empty of "
            "the table evaluations); take a lower level, or secateur.pruning.masked with the dense network and the plan"
        ) from error


def recovered(pruned: Without, name: str, study: Study, seed: int, images: Callable[[str], Images]) -> nn.Module:
    """The smaller network after a recovery of the evaluation, by its name, in eval mode.

    `images` gives those of a split. They are drawn as the evaluation drew them for the network of this seed.
    """
    split = recovery_checks.split_of(study.settings, name)
    shown = images(split)
    checkpoints.same_images(pruned.dense.description, shown, "the trained network")
    options = {name: recovery_checks.options(study.settings)[name]}
    treatments = recovery.treatments(pruned.dense.model, {split: shown}, options, recovery.Draw(study.seed, seed))
    network = smaller(pruned)
    treatments[name].apply(network, pruned.plan)
    return network.eval()
