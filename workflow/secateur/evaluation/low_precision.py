"""Evaluation in bfloat16 with the predictions of float32: images with close logits are evaluated again."""

import copy
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from secateur.evaluation import fast_layers, measuring
from secateur.evaluation.fast_layers import Replaceable
from secateur.graph import folding

# The first images show how large the errors of bfloat16 are.
FIRST = 16
# Of every so many images, one shows the effect on the loss; a prime, so that no period in their order coincides.
PROBED = 61
# Images whose two largest logits differ by less than so many of the largest errors are evaluated again.
CLOSE = 4


def of_unfolded(
    model: nn.Module, precision: str, example: torch.Tensor, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> measuring.ByImage:
    """The ByImage of a float32 network with its BatchNorm folded, as `in_precision`; `example` is one image or more."""
    folded = folding.folded(model, strict=False)
    return in_precision(folded, precision, fast_layers.replaceable(folded, example), batches)


def in_precision(
    model: nn.Module,
    precision: str,
    replaceable: Replaceable | None,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
) -> measuring.ByImage:
    """The ByImage of a float32 network over batches, in the arithmetic of `precision`; `replaceable` as for `prepared`.

    In bfloat16, the images whose prediction its rounding could change are evaluated again in float32, and the mean loss
    is corrected by a sample of images: but for single images, the predictions are those of float32.
    """
    observer = _AsComputed()
    if precision == "bfloat16":
        observer = _Reevaluation(measuring.prepared(copy.deepcopy(model), "float32", replaceable))
    measured = measuring.over(measuring.prepared(model, precision, replaceable), batches, observer)
    return measuring.by_image(measured, observer.corrected_losses)


class _AsComputed:
    """Takes the losses as they are computed."""

    def see(self, pixels, labels, logits, losses):
        """Evaluate nothing again."""

    def correct(self, losses, right):
        """Correct nothing."""
        self.corrected_losses = losses


class _Images(NamedTuple):
    """Images as the fast model evaluated them, a tensor (images, ...) of each part."""

    places: torch.Tensor  # among all images
    pixels: torch.Tensor
    labels: torch.Tensor
    logits: torch.Tensor
    losses: torch.Tensor


class _Reevaluation:
    """Evaluates again, by an exact model, the images that a fast one cannot decide, and a sample of all images."""

    def __init__(self, exact):
        self.exact, self.error = exact, 0.0
        self.seen, self.waiting = 0, []
        # Of every image evaluated again: its place, its loss, and whether it is right.
        self.places, self.losses, self.right = [], [], []
        # Of every image of the sample: the difference of the losses.
        self.differences = []

    def see(self, pixels, labels, logits, losses):
        """Select images of a batch; they wait until there are as many as the batch has."""
        places = self.seen + torch.arange(len(labels), device=labels.device)
        batch = _Images(places, pixels, labels, logits, torch.as_tensor(losses))
        if not self.seen:
            self._select([part[:FIRST] for part in batch])
            self._evaluate_waiting()
        highest = logits.topk(min(2, logits.shape[1]), 1).values
        chosen = (places % PROBED == 0) | (highest[:, 0] - highest[:, -1] < CLOSE * self.error)
        chosen &= places >= FIRST
        self._select([part[chosen.to(part.device)] for part in batch])
        self.seen += len(labels)
        if sum(len(images.places) for images in self.waiting) >= len(labels):
            self._evaluate_waiting()

    def _select(self, parts):
        images = _Images(*parts)
        if len(images.places):
            self.waiting.append(images)

    def _evaluate_waiting(self):
        if not self.waiting:
            return
        images = _Images(*map(torch.cat, zip(*self.waiting, strict=True)))
        self.waiting = []
        logits = measuring.logits_of(self.exact, images.pixels)
        self.error = max(self.error, float((logits - images.logits).abs().max()))
        losses, places = measuring.losses_of(logits, images.labels), images.places.cpu().numpy()
        self.places.append(places)
        self.losses.append(losses)
        self.right.append((logits.argmax(1) == images.labels).cpu().numpy())
        self.differences.append((losses - images.losses.numpy())[places % PROBED == 0])

    def correct(self, losses, right):
        """Correct losses and bools (images,) in place: the images evaluated again by their own, the others' mean."""
        self._evaluate_waiting()
        losses += np.concatenate(self.differences).mean()
        places = np.concatenate(self.places)
        losses[places], right[places] = np.concatenate(self.losses), np.concatenate(self.right)
        self.corrected_losses = losses
