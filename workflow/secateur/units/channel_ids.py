"""Tensors of a graph by the ids of their channels."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from secateur.graph.shapes import Shape

# The id of all that can never be removed: images, and results of operations that cannot be followed.
FIXED = 0


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor of the graph by the ids of its channels.

    `codes` is 2 x id, plus 1 where a channel that is masked is not zero all the same (behind a sigmoid, say);
    its size is 1 along dimensions in which all positions agree. `shape` is the tensor's own.
    """

    codes: np.ndarray
    shape: tuple[int, ...]

    @property
    def ids(self) -> np.ndarray:
        """The ids of the channels, at every place of `codes`."""
        return self.codes >> 1

    @property
    def varying(self) -> list[int]:
        """The dimensions in which channels differ."""
        return np.flatnonzero(np.greater(self.codes.shape, 1)).tolist()

    def varies_beside(self, dimension: int) -> bool:
        """True if channels differ in another dimension than this one."""
        return any(d != dimension for d in self.varying)

    @functools.cached_property
    def axis(self) -> int | None:
        """The dimension along which channels lie: the longest in which they differ; None if they do not."""
        return max(self.varying, key=lambda d: (self.codes.shape[d], d), default=None)

    def full(self) -> torch.Tensor:
        """The codes at every position, a tensor of the tensor's shape."""
        return torch.from_numpy(self.codes).expand(self.shape)


def values_in(arguments: Any) -> list[Value]:
    """All Values within arguments, in order."""
    if isinstance(arguments, Value):
        return [arguments]
    if isinstance(arguments, dict):
        arguments = list(arguments.values())
    values = []
    if isinstance(arguments, (tuple, list)):
        for argument in arguments:
            values += values_in(argument)
    return values


def first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
    """The first Value within a call's arguments."""
    return values_in((args, kwargs))[0]


def fixed(shape: Shape) -> Value:
    """A Value of `shapes.Shape` that can never be removed."""
    return Value(np.full((1,) * len(shape.sizes), 2 * FIXED), shape.sizes)


def compact(codes: np.ndarray, shape: Iterable[int]) -> Value:
    """A Value from the codes of all positions: dimensions in which they agree shrink to 1."""
    for d, size in enumerate(codes.shape):
        if size > 1:
            front = codes.take([0], d)
            if (codes == front).all():
                codes = front
    return Value(codes, tuple(shape))
