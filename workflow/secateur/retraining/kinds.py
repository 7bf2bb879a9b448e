"""The kinds of retraining: new BatchNorm statistics, retraining, training from fresh weights, or what gates left.

All criteria and levels of a network share one schedule and one order of images, so that their results can be compared
in pairs. Units are ranked once, in the dense network, also where they are removed in several steps.
"""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from secateur import recovery
from secateur.images import store
from secateur.models.description import NetworkDescription
from secateur.retraining import reinitialisation, steps
from secateur.study import kinds as study_kinds
from secateur.study import seeds
from secateur.training import distillation, hooks, loop


@dataclasses.dataclass(frozen=True)
class Material:
    """The images and options of a retraining."""

    train: store.Images
    validation: store.Images
    options: dict[str, Any]  # as those of the study's `training`
    seed: int  # of all random draws
    partial: Path | str | None = None  # the state after each epoch, by which `loop.train` resumes
    stamp: str | None = None  # of the job; the state of another is not resumed
    calibration: store.Images | None = None  # of the split that a reconstruction reads, where it is not `train`


def batchnorm(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, []): no weight is trained, but the statistics of every BatchNorm are re-estimated.

    `options` are those of `recovery.batchnorm`. Of the `plans` of the steps, only the last counts.
    """
    smaller = steps.narrowed(model, plans[-1], described)
    recovery.batchnorm(smaller, recovery.Material(material.train, material.options, material.seed))
    return smaller, []


def reconstructed(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, []): layers refitted to the dense network's answers to the images that calibrate.

    `options` are those of the section `recovery`. Of the `plans` of the steps, only the last counts.
    """
    smaller = steps.narrowed(model, plans[-1], described)
    images = recovery.Material(material.calibration or material.train, material.options, material.seed)
    recovery.RECOVERIES["reconstructed"].prepared(model, images)(smaller, plans[-1])
    return smaller, []


def retrained(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): in each step, channels are removed at once, and the whole schedule trains the rest.

    `plans` are those of `steps.plans`. Of every step, the epoch selected by validation is kept; the history has a
    column `step`, from 1. The frozen layers are those of the model, which is the teacher where the loss is
    "distillation". Raises `loop.Diverged` as training does.
    """
    smaller, before = model, {}
    hook = _hook(model, material)
    history = []
    for step, plan in enumerate(plans, 1):
        smaller = steps.narrowed(smaller, steps.further(before, plan), described)
        partial = None
        if material.partial:
            partial = f"{material.partial}.{step}"
        seed = seeds.derived(material.seed, "step", step)
        try:
            rows = loop.train(
                smaller, material.train, material.validation, material.options, seed, partial, material.stamp, hook
            )
        except loop.Diverged as error:
            # The remedy is in the settings of retraining.
            raise loop.Diverged(error.loss, error.epoch, error.rate, loop.remedy_in("retraining")) from error
        history += _of_step(step, rows)
        before = plan
    return smaller, history


def _hook(model, material):
    """The loss of distillation from a model; nothing with any other loss."""
    if material.options["loss"] != "distillation":
        return hooks.NEUTRAL
    return hooks.Hook(loss=distillation.of(copy.deepcopy(model)))


def initial(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): the first weights of the dense network, `model`, narrowed as they are, then trained.

    Of the `plans` of the steps, only the last counts. Raises `loop.Diverged` as training does.
    """
    smaller = steps.narrowed(model, plans[-1], described)
    return smaller, _whole(smaller, material)


def scratch(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): a network of the same widths, trained from fresh weights, all of them.

    Of the `plans` of the steps, only the last counts. Raises `loop.Diverged` as training does.
    """
    device = next(model.parameters()).device
    smaller = reinitialisation.fresh(described, plans[-1], material.seed).to(device)
    return smaller, _whole(smaller, material)


def _whole(smaller, material):
    """The history of a training by the whole schedule, in place."""
    history = loop.train(
        smaller, material.train, material.validation, material.options, material.seed, material.partial, material.stamp
    )
    return _of_step(1, history)


def redrawn(kind: str) -> Callable[..., tuple[nn.Module, list[dict[str, Any]]]]:
    """A kind like `initial`, of which the first weights are drawn anew by a kind of `models.first_values`."""

    def trained(
        model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
    ) -> tuple[nn.Module, list[dict[str, Any]]]:
        smaller = reinitialisation.redrawn(model, described, plans[-1], kind, material.seed)
        return smaller, _whole(smaller, material)

    return trained


def learned(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, []): the network that a gate phase left, without the channels whose gates it closed."""
    return steps.narrowed(model, plans[-1], described), []


def continued(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): the network that a gate phase left, narrowed and trained on.

    The order of the images is that of the kind `retrained`, from its first epoch.
    """
    return retrained(model, described, plans[-1:], material)


def _of_step(step, rows):
    return [{"step": step, **row} for row in rows]


KINDS = {
    "batchnorm": batchnorm,
    "reconstructed": reconstructed,
    "retrained": retrained,
    "retrained_smoothed": retrained,
    "retrained_distilled": retrained,
    "retrained_adam": retrained,
    "retrained_smoothed_adam": retrained,
    "retrained_distilled_adam": retrained,
    "scratch": scratch,
    "initial": initial,
    **{kind.name: redrawn(kind.name) for kind in study_kinds.REDRAWN},
    "learned": learned,
    "continued": continued,
}
