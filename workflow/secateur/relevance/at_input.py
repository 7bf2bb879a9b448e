"""Relevance at the input of a dense network and of smaller ones, batch by batch, for one class of each image.

All networks explain the class that the dense one answers, so that their maps differ by what was removed alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from secateur import Refused
from secateur.relevance import examples, places, propagation
from secateur.relevance.propagation import Propagator


class Peak(NamedTuple):
    """The highest relevance of a channel over images: its value, the image's place, and where, as shares of a map."""

    value: float
    image: int
    row: float
    column: float


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """Arrays of `comparison.Comparison`, and the peaks of the channels that were asked for."""

    label: np.ndarray
    predicted: np.ndarray
    probability: np.ndarray
    cosine: np.ndarray
    shown: np.ndarray
    relevance: np.ndarray
    peaks: dict[tuple[str, int], Peak]


class Explained(NamedTuple):
    """One network's relevance of a batch: at the input (n, H, W), by layer, its answers and their probabilities."""

    at_input: torch.Tensor
    layers: dict[str, torch.Tensor]
    predicted: torch.Tensor
    probability: torch.Tensor


def of_reading(model: nn.Module, reading: Mapping[str, Any]) -> Propagator:
    """The Propagator of a reading's rule, that reads at the input too, in float32 whatever the reading's precision."""
    return Propagator(
        model,
        propagation.from_setting(reading["rule"]),
        bias=reading["bias"],
        pool=reading["pool"],
        start=reading["seed"],
        pixels=True,
    )


def tried(model: nn.Module, reading: Mapping[str, Any], images: torch.Tensor) -> tuple[Propagator | None, str]:
    """(the Propagator, nothing), or (None, the reason) where relevance cannot pass; tried on a few images.

    The first call of a Propagator also tells if its graph computes what the model does.
    """
    try:
        propagator = of_reading(model, reading)
        propagator(images)
    except Refused as error:
        return None, str(error)
    return propagator, ""


def explained(propagator: Propagator, images: torch.Tensor, target: torch.Tensor | None = None) -> Explained:
    """The relevance of a batch (n, C, H, W) for the classes `target` (n,), or for those that the network answers.

    One forward pass gives the answers too.
    """
    with torch.no_grad():
        forward = propagator.forward(images)
        logits = forward.values[propagator.graph.logits]
        probability, predicted = logits.softmax(1).max(1)
        chosen = predicted if target is None else target
        start = logits.gather(1, chosen[:, None]) if propagator.start == "logit" else torch.ones_like(logits[:, :1])
        backward = propagator.backward(forward, torch.zeros_like(logits).scatter_(1, chosen[:, None], start))
        layers = places.PLACES[propagator.at](propagator, forward, backward)
    at_input = backward.images[propagator.graph.nodes[0]].sum(1)
    return Explained(at_input, layers, predicted, probability)


def cosines(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """(n,) float64: the cosine between maps (n, H, W) of each image; NaN where one of the two is zero everywhere."""
    first, second = first.double().flatten(1), second.double().flatten(1)
    lengths = first.norm(dim=1) * second.norm(dim=1)
    return ((first * second).sum(1) / lengths).clamp(-1, 1)


def compared(
    dense: Propagator,
    smaller: Sequence[Propagator | None],
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    right: int,
    channels: Sequence[tuple[str, int]] = (),
) -> Found:
    """Compare the dense network with smaller ones over batches of images and labels.

    `right` is the count of shown images that are answered right (`examples.Examples`), `channels` those whose highest
    relevance is looked for in the dense network. A smaller network that is None has no relevance and no answers.
    """
    rule, parts, peaks, first = examples.Examples(right), [], {}, 0
    for images, labels in batches:
        of_dense = explained(dense, images)
        all_of = [of_dense, *_each(smaller, images, of_dense)]
        _note_peaks(peaks, channels, of_dense.layers, first)
        taken = rule.new(labels.cpu().numpy(), of_dense.predicted.cpu().numpy())
        parts.append(_part(all_of, labels, taken, first))
        first += len(labels)
    if not parts:
        raise Refused("there are no images of which to compare the relevance")
    names = ("label", "predicted", "probability", "cosine", "shown", "relevance")
    arrays = {}
    for name, values in zip(names, zip(*parts, strict=True), strict=True):
        arrays[name] = np.concatenate(values, axis=1 if values[0].ndim > 1 else 0)
    return Found(**arrays, peaks=peaks)


def _each(smaller, images, of_dense):
    """The Explained of each smaller network; of one that is None it holds no number."""
    unknown = Explained(
        torch.full_like(of_dense.at_input, torch.nan),
        {},
        torch.full_like(of_dense.predicted, -1),
        torch.full_like(of_dense.probability, torch.nan),
    )
    for propagator in smaller:
        yield unknown if propagator is None else explained(propagator, images, of_dense.predicted)


def _part(all_of, labels, taken, first):
    """The arrays of one batch, in the order of Found."""
    maps, _, predicted, probability = zip(*all_of, strict=True)
    cosine = [cosines(maps[0], own) for own in maps[1:]]
    return (
        labels.cpu().numpy(),
        _array(predicted),
        _array(probability),
        _array(cosine),
        np.asarray(taken, int) + first,
        _array([own[taken] for own in maps]),
    )


def _array(tensors):
    """(networks, ...)."""
    return torch.stack(list(tensors)).cpu().numpy()


def _note_peaks(peaks, channels, layers, first):
    """Keep the highest relevance of each channel, {(layer, channel): Peak}, of a batch that begins at image `first`."""
    for layer, channel in channels:
        R = layers[layer][:, channel]
        value, place = R.flatten().max(0)
        if (layer, channel) in peaks and float(value) <= peaks[layer, channel].value:
            continue
        image, row, column = map(int, np.unravel_index(int(place), R.shape))
        height, width = R.shape[1:]
        peaks[layer, channel] = Peak(float(value), first + image, (row + 0.5) / height, (column + 0.5) / width)
