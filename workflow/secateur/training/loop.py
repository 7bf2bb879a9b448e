"""Training of a network: seeded, resumable, with the weights of the best epoch by validation.

The order of the images, their augmentation and the dropout of an epoch are drawn from (seed, purpose, epoch), and no
generator lives longer than an epoch: a run that was killed and resumed ends in exactly the weights of one that was not.
"""

import hashlib
import logging
import math
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused
from secateur.artifacts import stamps
from secateur.evaluation import measuring
from secateur.images.store import Images, normalise
from secateur.jobs import progress
from secateur.models import freezing, tensor_files
from secateur.study import seeds
from secateur.training import augmentation, optimisation

EVALUATED_AT_ONCE = 256
COLUMNS = ("epoch", "learning_rate", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


class Diverged(Refused):
    """A loss that is not finite; the settings of the training are in the `section` of a study's file."""

    def __init__(self, loss: float, epoch: int, rate: float, section: str = "training") -> None:
        super().__init__(
            f"the loss became {loss} in epoch {epoch} at learning rate {rate:.3g}; "
            f"set {section}.learning_rate lower, or {section}.batch_size higher"
        )
        self.loss, self.epoch, self.rate = loss, epoch, rate


def train(
    model: nn.Module,
    train_images: Images,
    validation_images: Images,
    options: dict[str, Any],
    seed: int,
    partial: Path | str | None = None,
    stamp: str | None = None,
) -> list[dict[str, float]]:
    """Train a model in place; it ends with the weights of the best epoch. Returns the history.

    The history has a dict for each epoch: epoch (from 1), learning_rate (of its last step), train_loss and
    train_accuracy (in training mode, with augmentation), validation_loss and validation_accuracy. The images are
    `store.Images`, the options those of the study's `training`; the parameters that require gradients are trained.
    With `partial`, a file, the state is written after each epoch, and a run with the same `stamp`, options, seed,
    images and initial weights resumes from it; the caller removes it. Raises Diverged for a loss that is not finite.
    """
    if options["epochs"] == 0:
        return []
    # The stamp of the caller does not cover the contents of the input files.
    stamp = stamps.digest([stamp, options, seed, _digest(model, train_images, validation_images)])
    optimizer = optimisation.OPTIMIZERS[options["optimizer"]](
        optimisation.parameters(model, options["weight_decay"]), options
    )
    history, best = _resumed(partial, stamp, model, optimizer)
    with torch.random.fork_rng(_gpus(model)), torch.backends.cudnn.flags(enabled=True, deterministic=True):
        for epoch in range(len(history) + 1, options["epochs"] + 1):
            started = time.monotonic()
            row = _epoch(model, train_images, optimizer, options, seed, epoch)
            history.append(row | _validated(model, validation_images, epoch, row["learning_rate"]))
            state = _state(model)
            if optimisation.is_best(history, options["select"]):
                best = state
            if partial is not None:
                content = {"stamp": stamp, "model": state, "best": best, "history": history}
                tensor_files.write(partial, content | {"optimizer": optimizer.state_dict()})
            _log(history[-1], options["epochs"], time.monotonic() - started)
    # The first epoch counts as the best of one, so there is a best state.
    model.load_state_dict(cast(dict[str, torch.Tensor], best), strict=False)
    model.eval()
    return history


def _epoch(model, images, optimizer, options, seed, epoch):
    """One pass over the images; returns the training half of the epoch's row."""
    freezing.train_mode(model)
    torch.manual_seed(seeds.derived(seed, "dropout", epoch))
    order = torch.randperm(len(images), generator=seeds.torch_generator(seed, "order", epoch))
    generator = seeds.torch_generator(seed, "augmentation", epoch)
    # Nearly equal batches: BatchNorm fails on a last batch of one image, and learns little from one of five.
    batches = order.tensor_split(math.ceil(len(images) / options["batch_size"]))
    loss, right = 0.0, 0
    with progress.over(len(images), "images", f"epoch {epoch} of {options['epochs']}") as bar:
        for step, rows in enumerate(batches, (epoch - 1) * len(batches)):
            rate = optimisation.rate_at(step, options["epochs"] * len(batches), options)
            pixels, labels = _batch(images, rows.numpy(), options, generator, _device(model))
            step_loss, step_right = _step(model, pixels, labels, optimizer, rate, options)
            _refuse_divergence(step_loss, epoch, rate)
            loss, right = loss + step_loss * len(rows), right + step_right
            bar.update(len(rows))
    return {
        "epoch": epoch,
        "learning_rate": rate,
        "train_loss": loss / len(images),
        "train_accuracy": right / len(images),
    }


def _batch(images, rows, options, generator, device):
    """Augmented and normalised images and labels of some rows, on the device.

    Images are rotated before they are normalised, so that the corners that come in are black.
    """
    # A copy, because torch takes no read-only arrays.
    pixels = torch.from_numpy(np.array(images.pixels[rows]))
    if options["flip"]:
        pixels = augmentation.flipped(pixels, generator)
    if options["rotation"]:
        pixels = augmentation.rotated(pixels, options["rotation"], generator)
    return normalise(pixels.to(device), images.mean, images.std), torch.from_numpy(images.labels[rows]).to(device)


def _step(model, pixels, labels, optimizer, rate, options):
    """Update the weights once; returns the mean loss, and the count of images predicted right.

    In bfloat16 only the products in layers are rounded; weights, their updates and the loss stay in float32.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=options["precision"] == "bfloat16"):
        logits = model(pixels)
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=options["label_smoothing"])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item(), int((logits.argmax(1) == labels).sum())


def _validated(model, images, epoch, rate):
    """The validation half of an epoch's row."""
    measured = measuring.over(model, _batches(images, _device(model)))
    _refuse_divergence(measured.loss, epoch, rate)
    return {"validation_loss": measured.loss, "validation_accuracy": measured.accuracy}


def _batches(images, device):
    """Normalised images and labels in their order, on the device."""
    for start in range(0, len(images), EVALUATED_AT_ONCE):
        rows = slice(start, start + EVALUATED_AT_ONCE)
        yield images.normalised(rows).to(device), torch.from_numpy(images.labels[rows]).to(device)


def _refuse_divergence(loss, epoch, rate):
    if not math.isfinite(loss):
        raise Diverged(loss, epoch, rate)


def _state(model):
    """The state_dict of the layers that are trained, parameters and statistics, copied to the CPU.

    The frozen half of a VGG16 is half a gigabyte, which need not be written after each epoch.
    """
    state, frozen = model.state_dict(), freezing.frozen(model)
    return {name: state[name].detach().to("cpu", copy=True) for name in state if name.rpartition(".")[0] not in frozen}


def _resumed(partial, stamp, model, optimizer):
    """(history, best state) of an interrupted run, whose state is loaded; ([], None) where there is none to resume."""
    content = tensor_files.resumable(partial, stamp, "training starts from the first epoch")
    if content is None:
        return [], None
    model.load_state_dict(content["model"], strict=False)
    optimizer.load_state_dict(content["optimizer"])
    logging.info("training resumes after epoch %d, from %s", len(content["history"]), partial)
    return content["history"], content["best"]


def _digest(model, *several_images):
    """A digest of the weights and of all images and labels, 16 hexadecimal digits; 1 to 2 s for a gigabyte."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy())
    for images in several_images:
        digest.update(np.ascontiguousarray(images.pixels).data)
        digest.update(np.ascontiguousarray(images.labels).data)
    return digest.hexdigest()[:16]


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
