"""Prerequisites of sparse training that only the network and its images tell, checked before any long job."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from secateur import Refused
from secateur.sparsity import schedules, weights
from secateur.training import loop


def refuse_unprunable(model: nn.Module) -> None:
    """Refused for a model without weights that can be pruned, or with one that cannot be trained as it is shown."""
    try:
        weights.prunable(model)
    except Refused as error:
        raise Refused(f"sparsity: {error}") from error


def refuse_short(variants: Mapping[str, Mapping[str, Any]], training: Mapping[str, Any], images: int) -> None:
    """Refused for a variant whose ramp does not fit the steps of a training on so many images."""
    for name, options in variants.items():
        try:
            schedules.Ramp(loop.steps_of(images, training), training["epochs"], options)
        except Refused as error:
            raise Refused(f"sparsity.variants.{name}: {error}") from error
