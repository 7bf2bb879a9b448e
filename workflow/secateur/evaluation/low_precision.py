"""Evaluation in bfloat16 with the answers of float32: close calls are evaluated again."""

import copy
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from secateur.evaluation import measuring
from secateur.evaluation.fast_layers import Facts

# Of a network in bfloat16: the first images tell how large its errors are, every so many-th (a prime, so that no order
# of the images keeps in step) what they do to the loss,
# and an image is evaluated again whose two largest logits lie closer than so many of the largest errors.
FIRST, PROBED, CLOSE = 16, 61, 4


def in_precision(
    model: nn.Module, precision: str, facts: Facts | None, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> measuring.ByImage:
    """The ByImage of a float32 network over batches, in the arithmetic of `precision`; see `prepared` for `facts`.

    In bfloat16, the images whose answer its rounding could change are evaluated again in float32, and the mean loss is
    corrected by what a sample of images tells: the answers are those of float32 but for single ones.
    """
    again = _Kept()
    if precision == "bfloat16":
        again = _Again(measuring.prepared(copy.deepcopy(model), "float32", facts))
    measured = measuring.over(measuring.prepared(model, precision, facts), batches, again)
    return measuring.by_image(measured, again.kept)


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
        logits = measuring.logits_of(self.exact, pixels)
        self.error = max(self.error, float((logits - quick).abs().max()))
        found, places = measuring.losses_of(logits, labels), places.cpu().numpy()
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
