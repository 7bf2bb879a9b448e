"""Schedules of sparse training: the sparsity at each step, and the scale of the gradients of closed weights."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from secateur import Refused
from secateur.study.levels import fraction

# ---- the speed of the ramp -----------------------------------------------------------------------------------

# {name: 1 where nothing regrows, falling with the regrowth as a multiple of its reference}.
FAMILIES: dict[str, Callable[[float], float]] = {
    "hyperbolic": lambda regrowth: 1 / (1 + regrowth),
    "exponential": lambda regrowth: math.exp(-regrowth),
    "linear": lambda regrowth: min(1.0, max(0.0, 1 - regrowth)),
}


class Ramp:
    """The progress of a ramp in its own time, which runs more slowly the more weights come back (our design).

    From the epoch `start` on, the progress u grows by a speed / (end - start) with every step, between `slowest` and
    `fastest`, and in any case so that it can still be 1 at `deadline`. With `fastest` 1, the sparsity lies between
    Feather's ramp, which ends at `ramp`, and the same delayed by deadline - ramp; with both speeds 1 it is Feather's,
    and so it is without them and without a deadline (None). `ramp` and `deadline` are shares of the steps. Raises
    Refused for a ramp that ends before it begins, for a deadline before its end or behind the last step, and for one
    that `fastest` cannot reach but by a jump in the beginning.
    """

    def __init__(self, steps: int, epochs: int, options: Mapping[str, Any]) -> None:
        self.options = options
        by_epoch = steps // epochs
        self.start = options["start"] * by_epoch
        self.end = math.floor(fraction(options["ramp"]) * steps)
        self.deadline = math.floor(fraction(options["deadline"] or options["ramp"]) * steps)
        if not self.start < self.end <= self.deadline < steps:
            raise Refused(
                f"the ramp of sparsity begins with step {self.start}, ends with step {self.end} and has its deadline "
                f"at step {self.deadline} of {steps}; give start, ramp and deadline in this order, the last below 1"
            )
        self.slowest, self.fastest = fraction(options["slowest"] or 1), fraction(options["fastest"] or 1)
        # The deadline was rounded to a step.
        if self.fastest * (self.deadline + 1 - self.start) < self.end - self.start:
            raise Refused(
                f"the ramp of sparsity cannot be at its end at step {self.deadline}, its deadline, with fastest: "
                f"{float(self.fastest):g}, unless it begins with a jump; set fastest or deadline higher"
            )
        # Weights are compared ten times an epoch.
        self.interval = max(1, by_epoch // 10)
        self.progress, self.regrowth = Fraction(0), 0.0

    @property
    def speed(self) -> Fraction:
        """The speed by the regrowth: `fastest` where nothing comes back."""
        if self.slowest == self.fastest:
            return self.fastest
        family = FAMILIES[self.options["family"]]
        steady = Fraction(family(self.regrowth / self.options["reference"]))
        return self.slowest + (self.fastest - self.slowest) * steady

    def at(self, step: int) -> Fraction:
        """The progress at a step, from 0; steps come one after the other."""
        if step > self.start:
            length = self.end - self.start
            late = 1 - self.fastest * (self.deadline - step) / length
            self.progress = min(Fraction(1), max(self.progress + self.speed / length, late))
        return self.progress

    def measured(self, share: float) -> None:
        """Take in the count of weights that have come back since the last comparison, for each that was open."""
        self.regrowth = 0.7 * self.regrowth + 0.3 * share


# ---- the scale of gradients ----------------------------------------------------------------------------------

# {name: (achieved sparsity, final sparsity, kappa) -> 0 for the highest scale to 1 for the lowest}.
SCALES: dict[str, Callable[[float, float, float], float]] = {
    # Feather's rule asks the final sparsity alone.
    "const": lambda _, final, kappa: float(final > 0.95),
    "power": lambda sparsity, _, kappa: sparsity**kappa,
    "logdensity": lambda sparsity, *_: min(1.0, -math.log10(1 - sparsity) / 2) if sparsity < 1 else 1.0,
    "step": lambda sparsity, *_: float(sparsity > 0.95),
    "cosine": lambda sparsity, *_: (1 - math.cos(math.pi * sparsity)) / 2,
}


def scale_at(sparsity: float, final: float, options: Mapping[str, Any]) -> float:
    """The factor of the gradients of closed weights, from `scale_high` to `scale_low`."""
    high, low = options["scale_high"], options["scale_low"]
    return high - (high - low) * SCALES[options["scale"]](sparsity, final, options["kappa"])
