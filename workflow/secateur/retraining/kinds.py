"""The kinds of retraining: new BatchNorm statistics, retraining, or training from fresh weights.

One schedule and one order of images serve all criteria and levels of a network, so that what they end in is compared
in pairs. Channels are ranked once, in the dense network, also where they go in several steps.
"""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from secateur.images import store
from secateur.models.description import NetworkDescription
from secateur.retraining import batchnorm_statistics, reinitialisation, steps
from secateur.study import seeds
from secateur.training import loop


@dataclasses.dataclass(frozen=True)
class Material:
    """What a pruned network is retrained with: `store.Images`, options as those of the study's `training`, the seed
    of all draws, and where the state is kept after each epoch (`loop.train` says how)."""

    train: store.Images
    validation: store.Images
    options: dict[str, Any]
    seed: int
    partial: Path | None = None
    stamp: str | None = None


def batchnorm(
    model: nn.Module, described: NetworkDescription, gone: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, []): nothing is trained, but every BatchNorm measures its inputs anew.

    `options` are batchnorm_images, how many training images are drawn for it, and batch_size.
    """
    smaller = steps.narrowed(model, gone[-1], described)
    count = min(material.options["batchnorm_images"], len(material.train))
    order = torch.randperm(len(material.train), generator=seeds.torch_generator(material.seed, "batchnorm"))
    # Nearly equal batches, because each counts as much; sorted only within, because files may be sorted by class.
    parts = order[:count].tensor_split(math.ceil(count / material.options["batch_size"]))
    device = next(model.parameters()).device
    batchnorm_statistics.reestimate(
        smaller, (material.train.normalised(part.sort().values.numpy()).to(device) for part in parts)
    )
    return smaller, []


def retrained(
    model: nn.Module, described: NetworkDescription, gone: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): what goes in a step goes at once, then the whole schedule trains what is left.

    `gone` are the plans of `plans`. Of every step the epoch is kept that validation chooses; the history has its
    number as `step`, from 1. Which layers are frozen is the model's.
    """
    smaller, before, history = model, {}, []
    for step, plan in enumerate(gone, 1):
        smaller = steps.narrowed(smaller, steps.further(before, plan), described)
        partial = f"{material.partial}.{step}" if material.partial else None
        seed = seeds.derived(material.seed, "step", step)
        try:
            rows = loop.train(
                smaller, material.train, material.validation, material.options, seed, partial, material.stamp
            )
        except loop.Diverged as error:
            # It is the settings of retraining that can be changed.
            raise loop.Diverged(error.loss, error.epoch, error.rate, "retraining") from error
        history += [{"step": step, **row} for row in rows]
        before = plan
    return smaller, history


def scratch(
    model: nn.Module, described: NetworkDescription, gone: Sequence[dict[str, list[int]]], material: Material
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """(smaller model, history): the same widths with fresh weights, all of them trained."""
    device = next(model.parameters()).device
    smaller = reinitialisation.fresh(described, gone[-1], material.seed).to(device)
    history = loop.train(
        smaller, material.train, material.validation, material.options, material.seed, material.partial, material.stamp
    )
    return smaller, [{"step": 1, **row} for row in history]


KINDS = {"batchnorm": batchnorm, "retrained": retrained, "scratch": scratch}
