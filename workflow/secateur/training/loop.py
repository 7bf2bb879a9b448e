"""Train a network: seeded, resumable, keeping the best epoch by validation.

The order of the images, their augmentation and dropout of an epoch are drawn from (seed, purpose, epoch), and no
generator lives longer than an epoch: a run that was killed and resumed gives the very weights of one that was not.
"""

import hashlib
import logging
import math
import time
from pathlib import Path
from typing import Any

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
    """A loss that is no number any more; `section` of the settings says how the network is trained."""

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
    """Train a model in place, leave it with the weights of the best epoch, and give the history.

    The history has a dict for each epoch: epoch (from 1), learning_rate (of its last step), train_loss and
    train_accuracy (in training mode, with augmentation), validation_loss and validation_accuracy. The images are
    `store.Images`, the options those of the study's `training`; what of the model is trained is what requires
    gradients. With `partial`, a file, the state is kept after each epoch, and a run with the same `stamp`, options,
    seed, images and initial weights goes on from there; the caller removes it. Raises Diverged for a loss that
    is no number any more.
    """
    if options["epochs"] == 0:
        return []
    # The stamp of the caller does not know what the input files hold.
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
            best = state if optimisation.is_best(history, options["select"]) else best
            if partial is not None:
                kept = {"stamp": stamp, "model": state, "best": best, "history": history}
                tensor_files.write(partial, kept | {"optimizer": optimizer.state_dict()})
            _tell(history[-1], options["epochs"], time.monotonic() - started)
    model.load_state_dict(best, strict=False)
    model.eval()
    return history


def _epoch(model, images, optimizer, options, seed, epoch):
    """One pass over the images; gives the training half of the epoch's row."""
    freezing.train_mode(model)
    torch.manual_seed(seeds.derived(seed, "dropout", epoch))
    order = torch.randperm(len(images), generator=seeds.torch_generator(seed, "order", epoch))
    generator = seeds.torch_generator(seed, "augmentation", epoch)
    # Nearly equal batches: BatchNorm fails on a rest of one image, and learns little from one of five.
    batches = order.tensor_split(math.ceil(len(images) / options["batch_size"]))
    loss, right = 0.0, 0
    with progress.over(len(images), "images", f"epoch {epoch} of {options['epochs']}") as bar:
        for number, rows in enumerate(batches, (epoch - 1) * len(batches)):
            rate = optimisation.rate_at(number, options["epochs"] * len(batches), options)
            pixels, labels = _batch(images, rows.numpy(), options, generator, _device(model))
            step_loss, step_right = _step(model, pixels, labels, optimizer, rate, options)
            _refuse_no_number(step_loss, epoch, rate)
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

    Pixels turn before they are normalised, so that what comes in from outside is black.
    """
    # A copy, because torch takes no arrays that cannot be written to.
    pixels = torch.from_numpy(np.array(images.pixels[rows]))
    if options["flip"]:
        pixels = augmentation.flipped(pixels, generator)
    if options["rotation"]:
        pixels = augmentation.rotated(pixels, options["rotation"], generator)
    return normalise(pixels.to(device), images.mean, images.std), torch.from_numpy(images.labels[rows]).to(device)


def _step(model, pixels, labels, optimizer, rate, options):
    """Move the weights once; gives the mean loss, and how many images were right.

    In bfloat16 only products of layers are rounded; weights, their changes and the loss stay in float32.
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
    device = _device(model)
    starts = range(0, len(images), EVALUATED_AT_ONCE)
    rows = (slice(start, start + EVALUATED_AT_ONCE) for start in starts)
    measured = measuring.over(
        model, ((images.normalised(r).to(device), torch.from_numpy(images.labels[r]).to(device)) for r in rows)
    )
    _refuse_no_number(measured.loss, epoch, rate)
    return {"validation_loss": measured.loss, "validation_accuracy": measured.accuracy}


def _refuse_no_number(loss, epoch, rate):
    if not math.isfinite(loss):
        raise Diverged(loss, epoch, rate)


def _state(model):
    """What training changes of a model, copied to the CPU: parameters and statistics of the layers that train.

    The frozen half of a VGG16 is half a gigabyte, which need not be written after each epoch.
    """
    state, frozen = model.state_dict(), freezing.frozen(model)
    return {name: state[name].detach().to("cpu", copy=True) for name in state if name.rpartition(".")[0] not in frozen}


def _resumed(partial, stamp, model, optimizer):
    """(history, best state) of an interrupted run, whose state is put back; empty where there is none to resume."""
    content = tensor_files.resumable(partial, stamp, "training starts afresh")
    if content is None:
        return [], None
    model.load_state_dict(content["model"], strict=False)
    optimizer.load_state_dict(content["optimizer"])
    logging.info("training goes on after epoch %d, from %s", len(content["history"]), partial)
    return content["history"], content["best"]


def _digest(model, *several_images):
    """Sixteen hexadecimal digits of the weights and of all images and labels (a gigabyte takes a second or two)."""
    found = hashlib.sha256()
    for tensor in model.state_dict().values():
        found.update(tensor.detach().cpu().contiguous().numpy())
    for images in several_images:
        found.update(np.ascontiguousarray(images.pixels))
        found.update(np.ascontiguousarray(images.labels))
    return found.hexdigest()[:16]


def _tell(row, epochs, seconds):
    logging.info(
        "epoch %d of %d: training loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f; %.1f s",
        row["epoch"],
        epochs,
        *(row[key] for key in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")),
        seconds,
    )


def _device(model):
    return next(model.parameters()).device


def _gpus(model):
    return [device] if (device := _device(model)).type == "cuda" else []
