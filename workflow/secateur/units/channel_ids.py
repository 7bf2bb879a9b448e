"""Tensors of a graph by the numbers of their channels."""

import dataclasses
import functools

import numpy as np
import torch

# The number of all that can never go: images, and results of what cannot be followed.
FIXED = 0


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor of the graph by the numbers of its channels.

    `codes` is 2 x number, plus 1 where a channel that is silenced is not zero all the same (behind a sigmoid, say);
    its size is 1 along dimensions in which all positions agree. `shape` is the tensor's own.
    """

    codes: np.ndarray
    shape: tuple

    @property
    def numbers(self):
        """Those of the channels, at every place of `codes`."""
        return self.codes >> 1

    @property
    def varying(self):
        """The dimensions in which channels differ."""
        return [d for d, size in enumerate(self.codes.shape) if size > 1]

    @functools.cached_property
    def axis(self):
        """The dimension along which channels go: the longest in which they differ; None if they do not."""
        return max(self.varying, key=lambda d: (self.codes.shape[d], d), default=None)

    def full(self):
        """The codes at every position, a tensor of the tensor's shape."""
        return torch.from_numpy(self.codes).expand(self.shape)


def values_in(found):
    """All Values within arguments, in order."""
    if isinstance(found, Value):
        return [found]
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (tuple, list)):
        return [value for one in found for value in values_in(one)]
    return []


def first(args, kwargs):
    """The first Value within a call's arguments."""
    return values_in((args, kwargs))[0]


def fixed(shape):
    """A Value of `shapes.Shape` that can never go."""
    return Value(np.full((1,) * len(shape.sizes), 2 * FIXED), shape.sizes)


def compact(codes, shape):
    """A Value from the codes of all positions: dimensions in which they agree shrink to 1."""
    for d, size in enumerate(codes.shape):
        if size > 1:
            one = codes.take([0], d)
            if (codes == one).all():
                codes = one
    return Value(codes, tuple(shape))
