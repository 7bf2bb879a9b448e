"""Recoveries: what every pruned network can get back in one shot, or in one epoch of training.

Each is a kind of `study/kinds.py` and has its functions in RECOVERIES. Evaluation applies them to every plan, and
retraining makes networks of the same kinds by the same functions, images and seeds.
"""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from secateur import Refused
from secateur.graph import modes
from secateur.images import store
from secateur.models import freezing
from secateur.pruning import groups, reconstruction
from secateur.pruning.treatments import Channels, Treatment
from secateur.study import seeds
from secateur.training import loop
from secateur.units import coupling


@dataclasses.dataclass(frozen=True)
class Material:
    """The images and options of a recovery."""

    images: store.Images  # of the training split
    options: dict[str, Any]
    seed: int  # of the draw of the images: that of `seed_of`


@dataclasses.dataclass(frozen=True)
class Draw:
    """The seeds behind all draws of a recovery for one network: the study's, and that of the network's training."""

    study: int
    network: int


# How the inputs of jobs are named that recoveries read: by the split behind it.
INPUT = "recovering_"
Apply = Callable[[nn.Module, Channels], None]


@dataclasses.dataclass(frozen=True)
class Recovery:
    """The functions of one recovery.

    `prepared` makes, of the dense network and the material, a function that changes its pruned networks in place.
    `refuse` raises Refused for a network that it cannot do anything for. One that `trains` weights is not applied to
    networks in which channels are masked.
    """

    prepared: Callable[[nn.Module, Material], Apply]
    refuse: Callable[[nn.Module], None]
    trains: bool = False


def seed_of(study_seed: int, kind: str, network_seed: int) -> int:
    """The seed of all draws of a kind for one network: equal for all criteria and levels."""
    return seeds.derived(study_seed, kind, network_seed)


def treatment(name: str, model: nn.Module, material: Material) -> Treatment:
    """The Treatment of pruned networks of a dense one by a recovery, by its name in RECOVERIES."""
    stamp = {"recovery": name, "images": material.images.identity, "seed": material.seed, "options": material.options}
    chosen = RECOVERIES[name]
    return Treatment(stamp, chosen.prepared(model, material), chosen.trains)


def files(inputs: Mapping[str, str]) -> dict[str, str]:
    """{split: file} of the images that recoveries read, of the named inputs of a job."""
    return {name.removeprefix(INPUT): path for name, path in inputs.items() if name.startswith(INPUT)}


def treatments(
    model: nn.Module, images: Mapping[str, store.Images], recoveries: Mapping[str, dict[str, Any]], seeds_of: Draw
) -> dict[str, Treatment]:
    """{recovery: its Treatment} of {recovery: its options}, by {split: Images}.

    Raises Refused for a network that a recovery can do nothing for.
    """
    prepared = {}
    for name, options in recoveries.items():
        RECOVERIES[name].refuse(model)
        prepared[name] = treatment(name, model, material(name, images, options, seeds_of))
    return prepared


def material(name: str, images: Mapping[str, store.Images], options: dict[str, Any], seeds_of: Draw) -> Material:
    """The Material of a recovery: the images of its split, and the seed of its draws."""
    return Material(images[options.get("split", "train")], options, seed_of(seeds_of.study, name, seeds_of.network))


# ---- BatchNorm -----------------------------------------------------------------------------------------------


def batchnorm(model: nn.Module, material: Material) -> None:
    """Re-estimate the running statistics of every BatchNorm on training images as they are, in place.

    `options` are batchnorm_images, the count of images drawn for it, and batch_size.
    """
    count = min(material.options["batchnorm_images"], len(material.images))
    order = torch.randperm(len(material.images), generator=seeds.torch_generator(material.seed, "batchnorm"))
    # Nearly equal batches, because they have equal weight; sorted only within, because files may be sorted by class.
    parts = order[:count].tensor_split(math.ceil(count / material.options["batch_size"]))
    device = next(model.parameters()).device
    batches = (material.images.normalised(part.sort().values.numpy()).to(device) for part in parts)
    reestimate(model, batches)


@torch.no_grad()
def reestimate(model: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of every BatchNorm by the mean of those of batches (N, C, H, W), in place.

    As in training, each layer's input is normalised by the batch itself; nothing else is in training mode, and frozen
    layers take part. The variances are the unbiased ones within a batch. Afterwards every module has its mode again.
    """
    with modes.evaluating(model), contextlib.ExitStack() as stack:
        for norm in _with_statistics(model):
            stack.enter_context(_averaging(norm))
        for pixels in batches:
            model(pixels)


def refuse_without_batchnorm(model: nn.Module) -> None:
    """Refused for a network of which no BatchNorm has running statistics."""
    if not any(_with_statistics(model)):
        raise Refused(
            "evaluation.recovery or sensitivity.recovery names batchnorm, but the network has no BatchNorm with "
            "running statistics; leave batchnorm out"
        )


def _with_statistics(model: nn.Module) -> Iterator[_BatchNorm]:
    """Every BatchNorm that keeps running statistics."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            yield module


@contextlib.contextmanager
def _averaging(norm: _BatchNorm) -> Iterator[None]:
    """Let a BatchNorm average the statistics of all batches of the block from zero."""
    momentum = norm.momentum
    norm.reset_running_stats()
    # Without momentum torch gives all batches the same weight.
    norm.momentum, norm.training = None, True
    try:
        yield
    finally:
        norm.momentum = momentum


def _prepared_batchnorm(_, material):
    def apply(smaller, channels):
        batchnorm(smaller, material)

    return apply


# ---- reconstruction ------------------------------------------------------------------------------------------


def calibrating(material: Material) -> np.ndarray:
    """(N,) the rows of the images that calibrate, drawn from the material's, ascending; `options` has their count."""
    return _drawn(material, "calibration")


def _drawn(material, purpose):
    """(N,) the rows of as many images as the options say, or of all if there are fewer, ascending."""
    count = min(material.options["images"], len(material.images))
    order = torch.randperm(len(material.images), generator=seeds.torch_generator(material.seed, purpose))
    return order[:count].sort().values.numpy()


def _prepared_reconstruction(model, material):
    """Reconstruction by the answers of the dense network, which are computed with the first of its pruned networks."""
    options = material.options

    @functools.cache
    def dense():
        images = material.images.normalised(calibrating(material)).to(next(model.parameters()).device)
        return reconstruction.Dense(coupling.followed(model, images[:1]), images, options["fit"], options["target"])

    def apply(smaller, channels):
        if channels:
            removed = groups.removed_by(dense().coupled, channels)
            reconstruction.refit(smaller, dense(), removed, options["batchnorm"], options["ridge"])

    return apply


def _refuse_nothing(model: nn.Module) -> None:
    """Any network that units follow can be reconstructed, and trained."""


# ---- one epoch -----------------------------------------------------------------------------------------------


def epoch(model: nn.Module, material: Material) -> None:
    """Train for one epoch on training images with their labels, in place; the last weights are kept.

    `options` are those of a training, and `images`, the count of images drawn for it, or None for all. The images,
    their order and their augmentation are drawn by the material's seed; what is frozen stays. Raises `loop.Diverged` as
    training does.
    """
    options = {key: value for key, value in material.options.items() if key not in ("images", "trainable")}
    shown = material.images
    if material.options["images"] is not None:
        shown = shown.taken(_drawn(material, "epoch"))
    # Nothing is chosen by validation; what the history says of two images is not read.
    unread = shown.taken(np.arange(min(2, len(shown))))
    try:
        loop.train(model, shown, unread, options, material.seed)
    except loop.Diverged as error:
        remedy = "set recovery.epoch.learning_rate lower, or training.batch_size higher"
        raise loop.Diverged(error.loss, error.epoch, error.rate, remedy) from error


def _prepared_epoch(model, material):
    # Smaller networks freeze what the dense one does.
    freezing.trainable(model, material.options["trainable"])

    def apply(smaller, channels):
        epoch(smaller, material)

    return apply


# By the names in study/kinds.py; `none` does nothing.
RECOVERIES = {
    "batchnorm": Recovery(_prepared_batchnorm, refuse_without_batchnorm),
    "reconstructed": Recovery(_prepared_reconstruction, _refuse_nothing),
    "epoch": Recovery(_prepared_epoch, _refuse_nothing, trains=True),
}
