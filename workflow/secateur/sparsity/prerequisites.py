"""Prerequisites of sparse training that only the network and its images tell, checked before any long job."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from secateur import Refused
from secateur.sparsity import schedules, weights
from secateur.study.levels import fraction
from secateur.training import loop


def refuse_unprunable(model: nn.Module, section: str = "sparsity") -> None:
    """Refused for a model without weights that can be pruned, or with one that cannot be trained as it is shown."""
    try:
        weights.prunable(model)
    except Refused as error:
        raise Refused(f"{section}: {error}") from error


def refuse_emptying(model: nn.Module, levels: Sequence[float]) -> None:
    """Refused for a level of tickets that leaves fewer weights than the model has layers, so that one has none."""
    refuse_unprunable(model, "tickets")
    sizes = [weight.numel() for weight in weights.prunable(model).values()]
    count = sum(sizes)
    for level in levels:
        left = count - weights.zeros_at(fraction(level), count)
        if left < len(sizes):
            raise Refused(
                f"tickets.sparsity names {level:g}, which leaves {left} of {count:,} weights for {len(sizes)} layers, "
                "so that one of them would have none; set it lower"
            )


def refuse_short(variants: Mapping[str, Mapping[str, Any]], training: Mapping[str, Any], images: int) -> None:
    """Refused for a variant whose ramp does not fit the steps of a training on so many images."""
    for name, options in variants.items():
        try:
            schedules.Ramp(loop.steps_of(images, training), training["epochs"], options)
        except Refused as error:
            raise Refused(f"sparsity.variants.{name}: {error}") from error
