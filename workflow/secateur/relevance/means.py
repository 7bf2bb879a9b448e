"""Mean relevance of every channel over images, in memory: for a network that is read once and not stored."""

from collections.abc import Iterable

import numpy as np
import torch

from secateur import Refused
from secateur.relevance.propagation import Propagator


def of_batches(
    propagator: Propagator, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], target: str | int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{layer: (mean of R, mean of abs(R))}, each (C, H, W) float64, over batches of images (N, C, H, W) and labels.

    `target` is the class that is explained: "predicted", "label", "all" for the mean over all classes, or the id of
    one. As statistics of a stored reading, but for its file. Raises Refused without images.
    """
    sums: dict[str, list[torch.Tensor]] = {}
    images = 0
    for pixels, labels in batches:
        each = _relevance(propagator, pixels, labels, target)
        for relevance in each:
            _add(sums, relevance, len(each))
        images += len(labels)
    if not images:
        raise Refused("there are no images of which to take the relevance")
    means = {}
    for layer, (signed, absolute) in sums.items():
        means[layer] = (signed / images).cpu().numpy(), (absolute / images).cpu().numpy()
    return means


def _relevance(propagator, pixels, labels, target):
    """[{layer: relevance}] of one batch: one, or one of each class."""
    if target == "all":
        return [relevance for relevance, _, _ in propagator.each_class(pixels)]
    chosen = {"predicted": None, "label": labels}.get(target, target)
    return [propagator(pixels, chosen)[0]]


def _add(sums, relevance, share):
    for layer, R in relevance.items():
        signed, absolute = R.double().sum(0) / share, R.double().abs().sum(0) / share
        if layer in sums:
            signed, absolute = sums[layer][0] + signed, sums[layer][1] + absolute
        sums[layer] = [signed, absolute]
