"""The performance of a network: loss, accuracy, accuracy by class, and correctness by image."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused
from secateur.evaluation import fast_layers
from secateur.graph import modes

if TYPE_CHECKING:
    from secateur.evaluation.low_precision import _AsComputed, _Reevaluation

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


@dataclasses.dataclass(frozen=True)
class Measured:
    """The performance of a network on a set of images."""

    loss: float  # mean cross-entropy, in nats
    accuracy: float  # a fraction
    by_class: np.ndarray  # (classes,) accuracy; NaN without images
    right: np.ndarray  # (images,) bool: whether the prediction is right


@dataclasses.dataclass(frozen=True)
class ByImage(Measured):
    """A Measured with the loss of every image, from which intervals of the mean loss are computed."""

    losses: np.ndarray  # (images,) float32: cross-entropy, in nats


def by_image(measured: Measured, losses: np.ndarray) -> ByImage:
    """A Measured and the losses (images,) of its images as one."""
    return ByImage(**vars(measured), losses=np.asarray(losses, dtype=np.float32))


def measure(model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, images_per_batch: int = 256) -> Measured:
    """Evaluate a model on images (N, C, H, W), normalised as in its training, and labels (N,), as `over` does."""
    starts = range(0, len(pixels), images_per_batch)
    batches = ((pixels[s : s + images_per_batch], labels[s : s + images_per_batch]) for s in starts)
    return over(model, batches)


def prepared(
    model: nn.Module, precision: str = "float32", replaceable: fast_layers.Replaceable | None = None
) -> nn.Module:
    """The model itself, prepared for inference: in the arithmetic of `precision`, laid out channels last.

    With the `fast_layers.Replaceable` of the model, or of the model before it lost channels, its layers are replaced by
    faster kernels if it is on a CPU.
    """
    if replaceable and next(model.parameters()).device.type == "cpu":
        model = fast_layers.inserted(model, replaceable, PRECISIONS[precision])
    # torch takes both at once, although its overloads list them apart; one after the other could leave other strides.
    return model.to(dtype=PRECISIONS[precision], memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def losses_of(logits: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Cross-entropy (N,), in nats, of logits (N, classes) and labels (N,)."""
    return F.cross_entropy(logits, labels, reduction="none").cpu().numpy()


@torch.no_grad()
def over(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    observer: _AsComputed | _Reevaluation | None = None,
    loss: Callable[[torch.Tensor, torch.Tensor], np.ndarray] = losses_of,
) -> Measured:
    """Evaluate a model over batches of (images (N, C, H, W), labels (N,)); a class without images has accuracy NaN.

    Images are converted to the model's precision and layout; the loss is computed in float64, by image, from logits
    (N, classes) and labels (N,). The model runs in eval mode; afterwards every module has its mode again. Raises
    Refused if there are no images.
    """
    losses, right = [], []
    seen, classes = [], 0
    for pixels, labels in batches:
        logits = logits_of(model, pixels)
        classes = logits.shape[1]
        losses.append(loss(logits, labels))
        right.append((logits.argmax(1) == labels).cpu().numpy())
        seen.append(labels.cpu().numpy())
        if observer:
            observer.see(pixels, labels, logits, losses[-1])
    if not seen:
        raise Refused("there are no images to evaluate on")
    losses, right = np.concatenate(losses), np.concatenate(right)
    if observer:
        observer.correct(losses, right)
    return of_correctness(right, losses.mean(), np.concatenate(seen), classes)


def logits_of(model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Logits (N, classes) in float64 of images (N, C, H, W), converted to the model's precision and layout."""
    like = next(model.parameters(), None)
    if like is not None:
        pixels = pixels.to(like.dtype, memory_format=torch.channels_last)
    with modes.evaluating(model):
        return model(pixels).double()


def of_correctness(right: np.ndarray, loss: float, labels: np.ndarray, classes: int) -> Measured:
    """The Measured from `right` (images,) bool, the mean loss and the labels (images,)."""
    counts = np.bincount(labels, minlength=classes)
    with np.errstate(invalid="ignore"):
        by_class = np.bincount(labels[right], minlength=classes) / counts
    return Measured(float(loss), float(right.mean()), by_class, right)


def constant(logits: torch.Tensor, labels: np.ndarray | torch.Tensor) -> ByImage:
    """The ByImage of a network that gives all images the same logits (classes,), such as one with an empty layer."""
    logits, labels = logits.double(), torch.as_tensor(labels)
    losses = F.cross_entropy(logits.expand(len(labels), -1), labels, reduction="none")
    right = (labels == int(logits.argmax())).numpy()
    return by_image(of_correctness(right, losses.mean().item(), labels.numpy(), len(logits)), losses.numpy())
