"""Images that stand for a split by a fixed rule, and patches of images: arrays that a page can show.

The rule: in the order of the images, the first ones that the network answers right, no two of one class, and the first
one that it answers wrong. Nobody chooses them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

# Pixels of a picture's longer side, at most; the sides of a patch are half of the picture's.
LARGEST = 64


class Examples:
    """Images found by the rule, batch by batch: `count` that are answered right, and one that is answered wrong."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.classes: list[int] = []
        self.wrong = False

    def new(self, labels: np.ndarray, predicted: np.ndarray) -> list[int]:
        """The positions of the next images of a batch, (n,) labels and answers, that the rule takes."""
        taken = []
        for position, (label, answer) in enumerate(zip(labels.tolist(), predicted.tolist(), strict=True)):
            if self._takes(label, answer):
                taken.append(position)
        return taken

    def _takes(self, label, answer):
        """True for an image that is taken, which is then noted."""
        if label != answer:
            first, self.wrong = not self.wrong, True
            return first
        if label in self.classes or len(self.classes) == self.count:
            return False
        self.classes.append(label)
        return True


def drawn(count: int, most: int, generator: np.random.Generator) -> np.ndarray:
    """Rows of at most `most` of `count` images, in their order; drawn without replacement where there are more."""
    if count <= most:
        return np.arange(count)
    return np.sort(generator.choice(count, most, replace=False))


def factor(height: int, width: int) -> int:
    """The whole number by which a picture's sides are divided, so that none is longer than LARGEST."""
    return -(-max(height, width) // LARGEST)


def summed(maps: np.ndarray, by: int) -> np.ndarray:
    """Maps (..., H, W) with the sum over each square of `by` pixels; squares at the edges may be cut."""
    rows = np.add.reduceat(maps, range(0, maps.shape[-2], by), axis=-2)
    return np.add.reduceat(rows, range(0, maps.shape[-1], by), axis=-1)


def averaged(pixels: np.ndarray, by: int) -> np.ndarray:
    """Pixels (..., H, W) uint8 with the mean over each square of `by` pixels, rounded."""
    if by == 1:
        return pixels
    counts = summed(np.ones(pixels.shape[-2:]), by)
    return np.rint(summed(pixels.astype(np.float64), by) / counts).astype(np.uint8)


def patch(pixels: np.ndarray, row: float, column: float) -> np.ndarray:
    """The patch of an image (C, H, W) around a place, given as shares of its height and width.

    Its sides are half of the image's; at an edge it is moved inwards, not cut.
    """
    height, width = pixels.shape[-2:]
    (top, bottom), (left, right) = _around(row, height), _around(column, width)
    return pixels[..., top:bottom, left:right]


def _around(place, length):
    """(first, last) of half a length around a place, a share of the length."""
    size = max(1, length // 2)
    first = min(max(0, round(place * length - size / 2)), length - size)
    return first, first + size


def first_and_last(channels: Sequence[tuple[str, int]], count: int) -> list[tuple[str, int]]:
    """The first `count` and the last `count` of a ranking's channels, none twice."""
    count = min(count, len(channels) // 2)
    return [*itertools.islice(channels, count), *channels[len(channels) - count :]]
