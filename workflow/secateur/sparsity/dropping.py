"""Pruned weights that leave a training for good (our design): which of them, and how many."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from secateur.sparsity.weights import Weights, places, smallest
from secateur.study import seeds
from secateur.study.levels import fraction


class Dropped:
    """A share of the closed weights, chosen by a rule, which never open again; none ever comes back.

    A dropped weight is zero, has no gradient, and therefore no decay and no effect of momentum.
    """

    def __init__(self, weights: Weights, share: str | float, rule: str, seed: int) -> None:
        self.weights, self.share, self.seed = weights, fraction(share), seed
        self.values = RULES[rule]
        self.mask, self.count = torch.zeros_like(weights.closed), 0
        self.age = torch.zeros_like(weights.closed, dtype=torch.int32) if rule == "age" else None

    @torch.no_grad()
    def grow(self, step: int) -> None:
        """Drop more of the closed weights, where their share asks for it; right after they have been closed."""
        closed = self.weights.closed
        if self.age is not None:
            self.age.add_(1).mul_(closed)
        more = math.floor(self.share * self.weights.zeros) - self.count
        if more <= 0:
            return
        candidates = places(closed & ~self.mask)
        values = self.values(self, candidates, step)
        chosen = torch.zeros(len(candidates), dtype=torch.bool, device=candidates.device)
        smallest(values.clone, chosen, more)
        leaving = candidates[places(chosen)]
        self.mask[leaving] = True
        self.count += more
        self.weights.clear(leaving)

    def state(self) -> dict[str, Any]:
        """Tensors for a checkpoint."""
        state = {"dropped": self.mask.cpu()}
        if self.age is not None:
            state["age"] = self.age.cpu()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a checkpoint."""
        self.mask.copy_(state["dropped"])
        self.count = int(self.mask.count_nonzero())
        if self.age is not None:
            self.age.copy_(state["age"])


def _by_magnitude(dropped, candidates, _):
    # The row still has the magnitudes by which the weights were closed.
    return dropped.weights.row.index_select(0, candidates)


def _by_age(dropped, candidates, _):
    """The longest closed first, of equal ones the first: so no two values are equal, which would be slow."""
    return candidates - dropped.age.index_select(0, candidates).long() * dropped.weights.count


def _at_random(dropped, candidates, step):
    generator = seeds.torch_generator(dropped.seed, "dropped", step)
    return torch.rand(len(candidates), generator=generator).to(candidates.device)


# {name: (dropped, ids of candidates, step) -> values, of which the smallest are dropped first}.
RULES: dict[str, Callable[[Dropped, Tensor, int], Tensor]] = {
    "magnitude": _by_magnitude,
    "age": _by_age,
    "random": _at_random,
}
