"""Training of a network: seeded, resumable, with the weights of the best epoch by validation.

The order of the images, their augmentation and the dropout of an epoch are drawn from (seed, purpose, epoch), and no
generator lives longer than an epoch: a run that was killed and resumed ends in exactly the weights of one that was not.
"""

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from secateur import Refused
from secateur.evaluation import measuring
from secateur.images.store import Images, normalise
from secateur.jobs import progress
from secateur.models import freezing
from secateur.study import seeds
from secateur.training import augmentation, hooks, losses, optimisation, partial_file

EVALUATED_AT_ONCE = 256
COLUMNS = ("epoch", "learning_rate", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def columns(history: Iterable[Mapping[str, Any]], fixed: Sequence[str] = COLUMNS) -> list[str]:
    """The columns of the table of a history: those that every history has, then those of a hook."""
    names = dict.fromkeys(fixed)
    for row in history:
        names |= dict.fromkeys(row)
    return list(names)


def remedy_in(section: str) -> str:
    """The remedy for a loss that is not finite, in a section of a study's file."""
    return f"set {section}.learning_rate lower, or {section}.batch_size higher"


class Diverged(Refused):
    """A loss that is not finite, with the remedy in the settings of a study."""

    def __init__(self, loss: float, epoch: int, rate: float, remedy: str = remedy_in("training")) -> None:
        super().__init__(f"the loss became {loss} in epoch {epoch} at learning rate {rate:.3g}; {remedy}")
        self.loss, self.epoch, self.rate = loss, epoch, rate


def train(
    model: nn.Module,
    train_images: Images,
    validation_images: Images,
    options: dict[str, Any],
    seed: int,
    partial: Path | str | None = None,
    stamp: str | None = None,
    hook: hooks.Hook = hooks.NEUTRAL,
    epochs: range | None = None,
) -> list[dict[str, float]]:
    """Train a model in place; it ends with the weights of the best epoch. Returns the history.

    The history has a dict for each epoch: epoch (from 1), learning_rate (of its last step), train_loss and
    train_accuracy (in training mode, with augmentation), validation_loss (without label smoothing) and
    validation_accuracy, then the columns of the hook. The images are `store.Images`, the options those of the study's
    `training`; the parameters that require gradients are trained, and with them the groups of the hook. With `partial`,
    a file, the state is written after each epoch, and a run with the same `stamp`, options, seed, images and initial
    weights resumes from it; the caller removes it. `epochs`, from 1, is the part of the schedule that is trained, all
    of it without a value: learning rates, images and their order are those of these epochs. Raises Diverged for a loss
    that is not finite, and Refused where the hook lets no epoch be kept.
    """
    if options["epochs"] == 0:
        return []
    epochs = epochs or range(1, options["epochs"] + 1)
    run = partial_file.Run(model, options, seed, optimisation.scheduled(model, options, hook.groups), hook)
    stamp = partial_file.stamp_of(run, f"{stamp} {epochs}", (train_images, validation_images))
    so_far = partial_file.resumed(partial, stamp, run)
    with torch.random.fork_rng(_gpus(model)), torch.backends.cudnn.flags(enabled=True, deterministic=True):
        for epoch in epochs[len(so_far.history) :]:
            started = time.monotonic()
            row = _epoch(run, train_images, epoch)
            _validate(run, validation_images, row, so_far)
            if partial is not None:
                partial_file.write(partial, stamp, run, so_far)
            _log(so_far.history[-1], options["epochs"], time.monotonic() - started)
    if so_far.best is None:
        raise Refused(f"none of the {len(epochs)} epochs may be kept by the method that is trained; train longer")
    partial_file.load(model, so_far.best, "the state of the best epoch")
    model.eval()
    return so_far.history


def steps_of(images: int, options: Mapping[str, Any]) -> int:
    """The count of steps of a training on so many images."""
    return options["epochs"] * math.ceil(images / options["batch_size"])


def _epoch(run, images, epoch):
    """One pass over the images; returns the training half of the epoch's row."""
    options = run.options
    freezing.train_mode(run.model)
    torch.manual_seed(seeds.derived(run.seed, "dropout", epoch))
    order = torch.randperm(len(images), generator=seeds.torch_generator(run.seed, "order", epoch))
    generator = seeds.torch_generator(run.seed, "augmentation", epoch)
    # Nearly equal batches: BatchNorm fails on a last batch of one image, and learns little from one of five.
    steps = steps_of(len(images), options)
    batches = order.tensor_split(steps // options["epochs"])
    loss, right = 0.0, 0
    with progress.over(len(images), "images", f"epoch {epoch} of {options['epochs']}") as bar:
        for step, rows in enumerate(batches, (epoch - 1) * len(batches)):
            rate = optimisation.rate_at(step, steps, options)
            pixels, labels = batch(images, rows.numpy(), options, generator, _device(run.model))
            step_loss, step_right = _step(run, pixels, labels, step, steps)
            _refuse_divergence(step_loss, epoch, rate)
            loss, right = loss + step_loss * len(rows), right + step_right
            bar.update(len(rows))
    return {
        "epoch": epoch,
        "learning_rate": rate,
        "train_loss": loss / len(images),
        "train_accuracy": right / len(images),
    }


def batch(
    images: Images, rows: np.ndarray, options: Mapping[str, Any], generator: torch.Generator, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Augmented and normalised images (N, C, H, W) and labels (N,) of some rows, on the device.

    Images are rotated and cropped before they are normalised, so that the pixels that come in are black.
    """
    # A copy, because torch takes no read-only arrays.
    pixels = torch.from_numpy(np.array(images.pixels[rows]))
    if options["flip"]:
        pixels = augmentation.flipped(pixels, generator)
    if options["rotation"]:
        pixels = augmentation.rotated(pixels, options["rotation"], generator)
    if options["crop"]:
        pixels = augmentation.cropped(pixels, options["crop"], generator)
    return normalise(pixels.to(device), images.mean, images.std), torch.from_numpy(images.labels[rows]).to(device)


def _step(run, pixels, labels, step, steps):
    """Update the weights once; returns the mean loss, and the count of images predicted right.

    In bfloat16 only the products in layers are rounded; weights, their updates and the loss stay in float32.
    """
    optimisation.set_rates(run.optimizers, step, steps)
    run.hook.before_step(step, steps)
    with run.hook.shown():
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=run.options["precision"] == "bfloat16"):
            logits = run.model(pixels)
        loss = _loss(run, logits.float(), labels, pixels)
        for scheduled in run.optimizers.values():
            scheduled.optimizer.zero_grad()
        loss.backward()
    run.hook.after_backward()
    optimisation.clip(run.optimizers, run.options["clip"])
    for scheduled in run.optimizers.values():
        scheduled.optimizer.step()
    return loss.item(), int((logits.argmax(1) == labels).sum())


def _loss(run, logits, labels, pixels):
    """The mean loss of a batch, by the hook or by the options."""
    if run.hook.loss is not None:
        return run.hook.loss(logits, labels, pixels)
    return losses.LOSSES[run.options["loss"]](logits, labels, run.options["label_smoothing"])


def _validate(run, images, row, so_far):
    """Complete the epoch's row by validation and the hook's columns, and copy the state if it is the best so far."""
    added = run.hook.columns()
    if not added.keys().isdisjoint(COLUMNS):
        raise ValueError(f"a hook has columns that every history has: {', '.join(added)}; rename them")
    with run.hook.shown():
        so_far.history.append({**row, **_validated(run, images, row), **added})
        if _is_best(so_far.history, run):
            so_far.best = partial_file.state(run.model)


def _is_best(history, run):
    """True if the last epoch may be kept, and is the best of all that may."""
    if not run.hook.may_keep(history[-1]):
        return False
    return optimisation.is_best(list(filter(run.hook.may_keep, history)), run.options["select"])


def _validated(run, images, row):
    """The validation half of an epoch's row."""
    batches = _batches(images, _device(run.model))
    measured = measuring.over(run.model, batches, loss=losses.BY_IMAGE[run.options["loss"]])
    _refuse_divergence(measured.loss, row["epoch"], row["learning_rate"])
    return {"validation_loss": measured.loss, "validation_accuracy": measured.accuracy}


def _batches(images, device):
    """Normalised images and labels in their order, on the device."""
    for start in range(0, len(images), EVALUATED_AT_ONCE):
        rows = slice(start, start + EVALUATED_AT_ONCE)
        yield images.normalised(rows).to(device), torch.from_numpy(images.labels[rows]).to(device)


def _refuse_divergence(loss, epoch, rate):
    if not math.isfinite(loss):
        raise Diverged(loss, epoch, rate)


def _log(row, epochs, seconds):
    logging.info(
        "epoch %d of %d: training loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f; %.1f s",
        row["epoch"],
        epochs,
        row["train_loss"],
        row["train_accuracy"],
        row["validation_loss"],
        row["validation_accuracy"],
        seconds,
    )


def _device(model):
    return next(model.parameters()).device


def _gpus(model):
    device = _device(model)
    if device.type == "cuda":
        return [device]
    return []
