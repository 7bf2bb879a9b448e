"""Optimisers, learning-rate schedules and the selection of an epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn


def is_best(history: Sequence[Mapping[str, float]], select: str) -> bool:
    """True if the last epoch is better than all before it; of equal epochs, the earliest is kept."""
    *before, last = map(SELECTIONS[select], history)
    return not before or last > max(before)


SELECTIONS = {
    "validation_loss": lambda row: -row["validation_loss"],
    "validation_accuracy": lambda row: row["validation_accuracy"],
    "last": lambda row: row["epoch"],
}


def best_of(history: Sequence[dict[str, float]], select: str) -> dict[str, float]:
    """The row of the epoch that is kept; without training, {"epoch": 0} for the first weights."""
    return max(history, key=SELECTIONS[select], default={"epoch": 0})


def rate_at(step: int, steps: int, options: Mapping[str, Any]) -> float:
    """The learning rate of a step, from 0, of so many `steps`."""
    return options["learning_rate"] * SCHEDULES[options["schedule"]](step, steps)


def _one_cycle(step, steps):
    """Smith and Topin, 2018, as torch's OneCycleLR of steps + 1 without its last step, whose rate is near zero."""
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
    """The trained parameters in two groups: weights of convolutions and linear layers decay, all others do not."""
    decayed, others = [], []
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.requires_grad:
            decayed.append(module.weight)
    known = set(map(id, decayed))
    for parameter in model.parameters():
        if parameter.requires_grad and id(parameter) not in known:
            others.append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
