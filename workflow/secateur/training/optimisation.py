"""Optimisers, learning rates and the choice of an epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn


def is_best(history: Sequence[Mapping[str, float]], select: str) -> bool:
    """Whether the last epoch is better than all before it; of equal ones, the earliest stays."""
    *before, last = [SELECTIONS[select](row) for row in history]
    return not before or last > max(before)


SELECTIONS = {
    "validation_loss": lambda row: -row["validation_loss"],
    "validation_accuracy": lambda row: row["validation_accuracy"],
    "last": lambda row: row["epoch"],
}


def best_of(history: Sequence[dict[str, float]], select: str) -> dict[str, float]:
    """The row of the epoch that was kept; without epochs, epoch 0 stands for the first weights."""
    return max(history, key=SELECTIONS[select], default={"epoch": 0})


def rate_at(step: int, steps: int, options: Mapping[str, Any]) -> float:
    """The learning rate of a step (from 0) of so many."""
    return options["learning_rate"] * SCHEDULES[options["schedule"]](step, steps)


def _one_cycle(step, steps):
    """Smith and Topin, 2018, as torch's OneCycleLR of steps + 1, whose last rate, near zero, would waste a step."""
    peak = 0.3 * (steps + 1) - 1
    if step <= peak:
        return _between(1 / 25, 1, step / peak)
    return _between(1, 1 / 25e4, (step - peak) / (steps - peak))


def _cosine(step, steps):
    """Loshchilov and Hutter, 2017, without restarts."""
    return _between(1, 0, step / steps)


def _between(start, end, share):
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES = {"one_cycle": _one_cycle, "cosine": _cosine, "constant": lambda step, steps: 1}


def _sgd(parameters, options):
    momentum = options["momentum"]
    return torch.optim.SGD(parameters, options["learning_rate"], momentum=momentum, nesterov=momentum > 0)


def _adam(parameters, options):
    return torch.optim.Adam(parameters, options["learning_rate"])


OPTIMIZERS = {"sgd": _sgd, "adam": _adam}


def parameters(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What is trained, in two groups: weights of convolutions and linear layers decay, all else does not."""
    layers = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    decayed = [layer.weight for layer in layers if layer.weight.requires_grad]
    known = {id(weight) for weight in decayed}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
