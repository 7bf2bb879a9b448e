"""How good a network is: loss, accuracy, accuracy by class, and which images it gets right."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused
from secateur.evaluation import fast_layers
from secateur.graph import modes

if TYPE_CHECKING:
    from secateur.evaluation.low_precision import _Again, _Kept

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


@dataclasses.dataclass(frozen=True)
class Measured:
    """Mean cross-entropy (nats), accuracy and accuracy by class as fractions, and `right`, a bool for each image."""

    loss: float
    accuracy: float
    by_class: np.ndarray
    right: np.ndarray


@dataclasses.dataclass(frozen=True)
class ByImage(Measured):
    """What was measured, with the cross-entropy of every image, float32: what intervals of the loss are made from."""

    losses: np.ndarray


def by_image(measured: Measured, losses: np.ndarray) -> ByImage:
    """A Measured with the losses (images,) behind it."""
    return ByImage(**vars(measured), losses=np.asarray(losses, dtype=np.float32))


def measure(model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, images_per_batch: int = 256) -> Measured:
    """Evaluate a model on images (N, C, H, W), normalised as it expects, and labels (N,)."""
    starts = range(0, len(pixels), images_per_batch)
    batches = ((pixels[s : s + images_per_batch], labels[s : s + images_per_batch]) for s in starts)
    return over(model, batches)


def prepared(model: nn.Module, precision: str = "float32", facts: fast_layers.Facts | None = None) -> nn.Module:
    """The model itself, made fast: in the arithmetic of `precision`, laid out channels last.

    With `fast_layers.facts` of it, or of what it was before it lost channels, its layers go in the ways that are
    fastest on a CPU.
    """
    if facts and next(model.parameters()).device.type == "cpu":
        model = fast_layers.inserted(model, facts, PRECISIONS[precision])
    return model.to(dtype=PRECISIONS[precision], memory_format=torch.channels_last)


@torch.no_grad()
def over(
    model: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], again: _Kept | _Again | None = None
) -> Measured:
    """Evaluate a model over batches of (images, labels); a class without images has accuracy NaN.

    Images are brought to the model's own precision and layout; the loss is taken in float64. The model runs in eval
    mode; every module's mode is put back.
    """
    losses, right, seen, classes = [], [], [], 0
    for pixels, labels in batches:
        logits = logits_of(model, pixels)
        classes = logits.shape[1]
        losses.append(losses_of(logits, labels))
        right.append((logits.argmax(1) == labels).cpu().numpy())
        seen.append(labels.cpu().numpy())
        if again:
            again.see(pixels, labels, logits, losses[-1])
    if not seen:
        raise Refused("there are no images to evaluate on")
    losses, right = np.concatenate(losses), np.concatenate(right)
    if again:
        again.corrected(losses, right)
    return of_bits(right, losses.mean(), np.concatenate(seen), classes)


def logits_of(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    like = next(model.parameters(), None)
    if like is not None:
        pixels = pixels.to(like.dtype, memory_format=torch.channels_last)
    with modes.evaluating(model):
        return model(pixels).double()


def losses_of(logits: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    return F.cross_entropy(logits, labels, reduction="none").cpu().numpy()


def of_bits(right: np.ndarray, loss: float, labels: np.ndarray, classes: int) -> Measured:
    """The Measured of `right`, a bool for each image, and of the mean loss: the rest follows from the labels (N,)."""
    counts = np.bincount(labels, minlength=classes)
    with np.errstate(invalid="ignore"):
        by_class = np.bincount(labels[right], minlength=classes) / counts
    return Measured(float(loss), float(right.mean()), by_class, right)


def constant(logits: torch.Tensor, labels: np.ndarray | torch.Tensor) -> ByImage:
    """The ByImage of a network that gives every image the same logits (classes,): one with an empty layer."""
    logits, labels = logits.double(), torch.as_tensor(labels)
    losses = F.cross_entropy(logits.expand(len(labels), -1), labels, reduction="none")
    right = (labels == int(logits.argmax())).numpy()
    return by_image(of_bits(right, losses.mean(), labels.numpy(), len(logits)), losses.numpy())
