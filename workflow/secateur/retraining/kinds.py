"""The kinds of retraining: recoveries without labels, retraining, training from fresh weights, or what gates left.

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
from secateur.pruning import groups
from secateur.retraining import reinitialisation, steps
from secateur.study import kinds as study_kinds
from secateur.study import seeds
from secateur.training import distillation, hooks, label_free, loop


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
    calibration_seed: int = 0  # of its draw of images, where that is not `seed`


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
    _refit(smaller, model, plans[-1], material, material.options, material.seed)
    return smaller, []


def epoch(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, []): trained for one epoch, as `recovery.epoch` does.

    Of the `plans` of the steps, only the last counts. Raises `loop.Diverged` as training does.
    """
    smaller = steps.narrowed(model, plans[-1], described)
    recovery.epoch(smaller, recovery.Material(material.train, material.options, material.seed))
    return smaller, []


def distilled(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): reconstructed, then trained by the dense network's answers to the same images.

    `options` are those of `label_free.continued`, with the section `recovery` in its key. Of the `plans` of the steps,
    only the last counts. Raises `loop.Diverged` as training does.
    """
    smaller, options = steps.narrowed(model, plans[-1], described), material.options
    _refit(smaller, model, plans[-1], material, options["recovery"], material.seed)
    history = _taught(smaller, model, material, options, material.seed, material.partial)
    return smaller, _of_step(1, history)


def _refit(smaller, larger, channels, material, options, seed):
    """Reconstruct a smaller network, from which channels of a larger one were removed."""
    images = recovery.Material(material.calibration or material.train, options, seed)
    recovery.RECOVERIES["reconstructed"].prepared(larger, images)(smaller, channels)


def _taught(smaller, model, material, options, seed, partial):
    """The history of a training by the answers of a model to the images that calibrated, in place."""
    images = material.calibration or material.train
    rows = recovery.calibrating(recovery.Material(images, options["recovery"], seed))
    try:
        return label_free.continued(
            smaller, model, images, rows, material.validation, options, seed, partial, material.stamp
        )
    except loop.Diverged as error:
        raise loop.Diverged(error.loss, error.epoch, error.rate, loop.remedy_in("recovery")) from error


def retrained(
    model: nn.Module, described: NetworkDescription, plans: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): in each step, channels are removed at once, and the whole schedule trains the rest.

    `plans` are those of `steps.plans`. Of every step, the epoch selected by validation is kept; the history has a
    column `step`, from 1. With `start` among the options, each step begins with a reconstruction of what it removed, or
    with a distillation behind it. The frozen layers are those of the model, which is the teacher where the loss is
    "distillation". Raises `loop.Diverged` as training does.
    """
    smaller, before = model, {}
    hook = _hook(model, material)
    history = []
    for step, plan in enumerate(plans, 1):
        larger, further = smaller, groups.further(before, plan)
        smaller = steps.narrowed(larger, further, described)
        partial = None
        if material.partial:
            partial = f"{material.partial}.{step}"
        _begin(smaller, larger, model, further, material, partial)
        options = {key: value for key, value in material.options.items() if key != "start"}
        seed = seeds.derived(material.seed, "step", step)
        try:
            rows = loop.train(
                smaller, material.train, material.validation, options, seed, partial, material.stamp, hook
            )
        except loop.Diverged as error:
            # The remedy is in the settings of retraining.
            raise loop.Diverged(error.loss, error.epoch, error.rate, loop.remedy_in("retraining")) from error
        history += _of_step(step, rows)
        before = plan
    return smaller, history


def _begin(smaller, larger, model, further, material, partial):
    """Recover a smaller network by the start that the options name, if any, from channels of a larger one."""
    start = material.options.get("start")
    if start is None:
        return
    seed = material.calibration_seed
    _refit(smaller, larger, further, material, start.get("recovery", start), seed)
    if start["kind"] == study_kinds.DISTILLED.name:
        _taught(smaller, model, material, start, seed, partial and f"{partial}.start")


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
    "epoch": epoch,
    "distilled": distilled,
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
