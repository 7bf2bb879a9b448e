"""How good a network is: loss, accuracy, accuracy by class, and which images it gets right."""

import copy
import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from secateur import modes, quick

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
# Of a network in bfloat16: the first images tell how large its errors are, every so many-th (a prime, so that no order
# of the images keeps in step) what they do to the loss,
# and an image is evaluated again whose two largest logits lie closer than so many of the largest errors.
FIRST, PROBED, CLOSE = 16, 61, 4


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


def by_image(measured, losses):
    """A Measured with the losses (images,) behind it."""
    return ByImage(**vars(measured), losses=np.asarray(losses, dtype=np.float32))


def measure(model, pixels, labels, images_per_batch=256):
    """Evaluate a model on images (N, C, H, W), normalised as it expects, and labels (N,)."""
    starts = range(0, len(pixels), images_per_batch)
    batches = ((pixels[s : s + images_per_batch], labels[s : s + images_per_batch]) for s in starts)
    return over(model, batches)


def prepared(model, precision="float32", facts=None):
    """The model itself, made fast: in the arithmetic of `precision`, laid out channels last.

    With `quick.facts` of it, or of what it was before it lost channels, its layers go in the ways that are fastest on a
    CPU.
    """
    if facts and next(model.parameters()).device.type == "cpu":
        model = quick.inserted(model, facts, PRECISIONS[precision])
    return model.to(dtype=PRECISIONS[precision], memory_format=torch.channels_last)


def in_precision(model, precision, facts, batches):
    """The ByImage of a float32 network over batches, in the arithmetic of `precision`; see `prepared` for `facts`.

    In bfloat16, the images whose answer its rounding could change are evaluated again in float32, and the mean loss is
    corrected by what a sample of images tells: the answers are those of float32 but for single ones.
    """
    again = _Kept()
    if precision == "bfloat16":
        again = _Again(prepared(copy.deepcopy(model), "float32", facts))
    measured = over(prepared(model, precision, facts), batches, again)
    return by_image(measured, again.kept)


@torch.no_grad()
def over(model, batches, again=None):
    """Evaluate a model over batches of (images, labels); a class without images has accuracy NaN.

    Images are brought to the model's own precision and layout; the loss is taken in float64. The model runs in eval
    mode; every module's mode is put back.
    """
    losses, right, seen, classes = [], [], [], 0
    for pixels, labels in batches:
        logits = _logits(model, pixels)
        classes = logits.shape[1]
        losses.append(_losses(logits, labels))
        right.append((logits.argmax(1) == labels).cpu().numpy())
        seen.append(labels.cpu().numpy())
        if again:
            again.see(pixels, labels, logits, losses[-1])
    if not seen:
        raise ValueError("there are no images to evaluate on")
    losses, right = np.concatenate(losses), np.concatenate(right)
    if again:
        again.corrected(losses, right)
    return of_bits(right, losses.mean(), np.concatenate(seen), classes)


def _logits(model, pixels):
    like = next(model.parameters(), None)
    if like is not None:
        pixels = pixels.to(like.dtype, memory_format=torch.channels_last)
    with modes.evaluating(model):
        return model(pixels).double()


def _losses(logits, labels):
    return F.cross_entropy(logits, labels, reduction="none").cpu().numpy()


class _Kept:
    """Keeps the losses as they come."""

    def see(self, pixels, labels, logits, losses):
        """Nothing is evaluated again."""

    def corrected(self, losses, right):
        """Nor corrected."""
        self.kept = losses


class _Again:
    """What an exact model says of the images that its quick stand-in cannot decide, and of a sample of all."""

    def __init__(self, exact):
        self.exact, self.error, self.seen, self.waiting = exact, 0.0, 0, []
        # Of every image evaluated again: its place, its loss, whether it is right, and, of the sample, what that moved.
        self.places, self.losses, self.right, self.moved = [], [], [], []

    def see(self, pixels, labels, logits, losses):
        """Take note of a batch; images wait until there are as many as the batch has."""
        places = self.seen + torch.arange(len(labels), device=labels.device)
        if not self.seen:
            self._take(*(values[:FIRST] for values in (places, pixels, labels, logits, torch.as_tensor(losses))))
            self._flush()
        highest = logits.topk(min(2, logits.shape[1]), 1).values
        chosen = (places % PROBED == 0) | (highest[:, 0] - highest[:, -1] < CLOSE * self.error)
        chosen &= places >= FIRST
        self._take(*(v[chosen.to(v.device)] for v in (places, pixels, labels, logits, torch.as_tensor(losses))))
        self.seen += len(labels)
        if sum(len(part[0]) for part in self.waiting) >= len(labels):
            self._flush()

    def _take(self, *values):
        if len(values[0]):
            self.waiting.append(values)

    def _flush(self):
        if not self.waiting:
            return
        places, pixels, labels, quick, losses = (torch.cat(parts) for parts in zip(*self.waiting, strict=True))
        self.waiting = []
        logits = _logits(self.exact, pixels)
        self.error = max(self.error, float((logits - quick).abs().max()))
        found, places = _losses(logits, labels), places.cpu().numpy()
        self.places.append(places)
        self.losses.append(found)
        self.right.append((logits.argmax(1) == labels).cpu().numpy())
        self.moved.append((found - losses.numpy())[places % PROBED == 0])

    def corrected(self, losses, right):
        """Put what was found into the losses and bools (images,), and shift the losses of the others."""
        self._flush()
        losses += np.concatenate(self.moved).mean()
        places = np.concatenate(self.places)
        losses[places], right[places] = np.concatenate(self.losses), np.concatenate(self.right)
        self.kept = losses


def of_bits(right, loss, labels, classes):
    """The Measured of `right`, a bool for each image, and of the mean loss: the rest follows from the labels (N,)."""
    counts = np.bincount(labels, minlength=classes)
    with np.errstate(invalid="ignore"):
        by_class = np.bincount(labels[right], minlength=classes) / counts
    return Measured(float(loss), float(right.mean()), by_class, right)


def constant(logits, labels):
    """The ByImage of a network that gives every image the same logits (classes,): one with an empty layer."""
    logits, labels = logits.double(), torch.as_tensor(labels)
    losses = F.cross_entropy(logits.expand(len(labels), -1), labels, reduction="none")
    right = (labels == int(logits.argmax())).numpy()
    return by_image(of_bits(right, losses.mean(), labels.numpy(), len(logits)), losses.numpy())
