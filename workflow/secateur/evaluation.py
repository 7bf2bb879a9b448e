"""How good a network is: loss, accuracy, accuracy by class, and which images it gets right."""

import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from secateur import modes


@dataclasses.dataclass(frozen=True)
class Measured:
    """Mean cross-entropy (nats), accuracy and accuracy by class as fractions, and `right`, a bool for each image."""

    loss: float
    accuracy: float
    by_class: np.ndarray
    right: np.ndarray


def measure(model, pixels, labels, images_per_batch=256):
    """Evaluate a model on images (N, C, H, W), normalised as it expects, and labels (N,)."""
    starts = range(0, len(pixels), images_per_batch)
    batches = ((pixels[s : s + images_per_batch], labels[s : s + images_per_batch]) for s in starts)
    return over(model, batches)


@torch.no_grad()
def over(model, batches):
    """Evaluate a model over batches of (images, labels); a class without images has accuracy NaN.

    The model runs in eval mode; every module's mode is put back.
    """
    losses, right, seen, classes = [], [], [], 0
    for pixels, labels in batches:
        with modes.evaluating(model):
            logits = model(pixels).double()
        classes = logits.shape[1]
        losses.append(F.cross_entropy(logits, labels, reduction="none").cpu().numpy())
        right.append((logits.argmax(1) == labels).cpu().numpy())
        seen.append(labels.cpu().numpy())
    if not seen:
        raise ValueError("there are no images to evaluate on")
    return _measured(np.concatenate(losses), np.concatenate(right), np.concatenate(seen), classes)


def constant(logits, labels):
    """What a network measures that gives every image the same logits (classes,): one with an empty layer."""
    logits, labels = logits.double(), torch.as_tensor(labels)
    losses = F.cross_entropy(logits.expand(len(labels), -1), labels, reduction="none")
    right = (labels == int(logits.argmax())).numpy()
    return _measured(losses.numpy(), right, labels.numpy(), len(logits))


def _measured(losses, right, labels, classes):
    counts = np.bincount(labels, minlength=classes)
    with np.errstate(invalid="ignore"):
        by_class = np.bincount(labels[right], minlength=classes) / counts
    return Measured(float(losses.mean()), float(right.mean()), by_class, right)
