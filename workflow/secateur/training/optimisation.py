"""Optimisers, learning-rate schedules and the selection of an epoch."""

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from secateur.study.levels import fraction
from secateur.training.hooks import Group

# The name of the network's own parameters among the groups of hooks.
NETWORK = "network"


def is_best(history: Sequence[Mapping[str, float]], select: str) -> bool:
    """True if the last epoch is better than all before it; of equal epochs, the earliest is kept."""
    *before, last = map(SELECTIONS[select], history)
    return not before or last > max(before)


SELECTIONS = {
    "validation_loss": lambda row: -row["validation_loss"],
    "validation_accuracy": lambda row: row["validation_accuracy"],
    "last": lambda row: row["epoch"],
}


def best_of(history: Iterable[dict[str, float]], select: str) -> dict[str, float]:
    """The row of the epoch that is kept; without training, {"epoch": 0} for the first weights.

    After a training with a hook, of the rows that its `may_keep` lets pass.
    """
    return max(history, key=SELECTIONS[select], default={"epoch": 0})


# ---- schedules -----------------------------------------------------------------------------------------------


def rate_at(step: int, steps: int, options: Mapping[str, Any]) -> float:
    """The learning rate of a step, from 0, of so many `steps`.

    `options` are those of a training, `epochs` among them, over which the steps spread evenly: during the epochs of
    `warm_up` the rate is a tenth of the schedule's (He et al., 2016, for ResNet-110).
    """
    rate = options["learning_rate"] * SCHEDULES[options["schedule"]](step, steps, options)
    if step * options["epochs"] < options["warm_up"] * steps:
        return rate / 10
    return rate


def _one_cycle(step, steps, _):
    """Smith and Topin, 2018, as torch's OneCycleLR of steps + 1 without its last step, whose rate is near zero."""
    peak = 0.3 * (steps + 1) - 1
    if step <= peak:
        return _between(1 / 25, 1, step / peak)
    return _between(1, 1 / 25e4, (step - peak) / (steps - peak))


def _cosine(step, steps, _):
    """Loshchilov and Hutter, 2017, without restarts."""
    return _between(1, 0, step / steps)


def _between(start, end, share):
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _constant(*_):
    return 1


def _step(step, steps, options):
    """Divided by ten at each of the milestones, shares of the steps."""
    passed = sum(step >= fraction(share) * steps for share in options["milestones"])
    return 1 / 10**passed


SCHEDULES = {"one_cycle": _one_cycle, "cosine": _cosine, "constant": _constant, "step": _step}


# ---- optimisers ----------------------------------------------------------------------------------------------


def _sgd(parameters, options):
    momentum = options["momentum"]
    # torch refuses Nesterov's update without momentum, where it is the plain one.
    nesterov = options["nesterov"] and momentum > 0
    return torch.optim.SGD(parameters, options["learning_rate"], momentum=momentum, nesterov=nesterov)


def _adam(parameters, options):
    return torch.optim.Adam(parameters, options["learning_rate"])


OPTIMIZERS = {"sgd": _sgd, "adam": _adam}


@dataclasses.dataclass(frozen=True)
class Scheduled:
    """An optimiser, and the options of its schedule, the training's `epochs` among them."""

    optimizer: torch.optim.Optimizer
    options: Mapping[str, Any]

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All parameters of the optimiser, in its order."""
        groups = (group["params"] for group in self.optimizer.param_groups)
        return list(itertools.chain.from_iterable(groups))


def scheduled(model: nn.Module, options: Mapping[str, Any], groups: Sequence[Group]) -> dict[str, Scheduled]:
    """{name: Scheduled} of the network, under NETWORK, and of the groups of a hook.

    Parameters of a group are not the network's, also where they are parameters of its modules; a network of which
    nothing is left to train has no optimiser. Raises ValueError for groups that could not be trained as they say.
    """
    apart = _apart(groups)
    by_name = {NETWORK: (parameters(model, options["weight_decay"], apart), options)}
    for group in groups:
        decayed = {"params": list(group.parameters), "weight_decay": group.options["weight_decay"]}
        by_name[group.name] = ([decayed], {**group.options, "epochs": options["epochs"]})
    optimizers = {}
    for name, (trained, chosen) in by_name.items():
        if trained:
            optimizers[name] = Scheduled(OPTIMIZERS[chosen["optimizer"]](trained, chosen), chosen)
    return optimizers


def _apart(groups):
    """The ids of all parameters of groups; ValueError for a name or parameter of two, or one without gradients."""
    names, apart = {NETWORK}, set()
    for group in groups:
        if group.name in names:
            raise ValueError(f"two groups of a hook are named {group.name}, or one as the network's own; rename one")
        names.add(group.name)
        for parameter in group.parameters:
            if id(parameter) in apart or not parameter.requires_grad:
                raise ValueError(f"the group {group.name} has a parameter of another group, or one that is frozen")
            apart.add(id(parameter))
    return apart


def parameters(model: nn.Module, weight_decay: float, apart: Collection[int] = ()) -> list[dict[str, Any]]:
    """The trained parameters in two groups: weights of convolutions and linear layers decay, all others do not.

    `apart` are the ids of parameters that are left out.
    """
    decayed, others, known = [], [], set()
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and _is_own(module.weight, {*apart, *known}):
            # A weight that several layers share counts once.
            decayed.append(module.weight)
            known.add(id(module.weight))
    for parameter in model.parameters():
        if _is_own(parameter, apart) and id(parameter) not in known:
            others.append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _is_own(parameter, apart):
    return parameter.requires_grad and id(parameter) not in apart


# ---- a step --------------------------------------------------------------------------------------------------


def set_rates(optimizers: Mapping[str, Scheduled], step: int, steps: int) -> None:
    """Set the learning rate of every optimiser for a step, from 0, of so many `steps`."""
    for scheduled in optimizers.values():
        rate = rate_at(step, steps, scheduled.options)
        for group in scheduled.optimizer.param_groups:
            group["lr"] = rate


def clip(optimizers: Mapping[str, Scheduled], norm: float | None) -> None:
    """Scale the gradients of all optimisers together, so that their Euclidean norm is at most `norm`, if any."""
    if norm is None:
        return
    clipped = [parameter for scheduled in optimizers.values() for parameter in scheduled.parameters]
    nn.utils.clip_grad_norm_(clipped, norm)
