"""Feather, and its three additions, as a hook of the trainer.

Feather (Glentis Georgoulakis, Retsinas and Maragos, BMVC 2023): before every step one threshold closes the
smallest weights of the whole network; forward and backward see what the others show above it; and all weights are
trained by that gradient, the closed ones by `scale` times it. The additions: a scale that follows the achieved
sparsity, a ramp that slows down where weights come back, and weights that are dropped for good. The formulas of these
three are our designs.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import nn

from secateur import Refused
from secateur.sparsity import schedules
from secateur.sparsity.dropping import Dropped
from secateur.sparsity.weights import Weights, zeros_at
from secateur.study.levels import fraction
from secateur.training import ramps
from secateur.training.hooks import Hook

# Columns of the history, after an epoch's last step: the share of zeros, the threshold, the scale of the gradients of
# closed weights, the smoothed count of weights that come back for each open one, and the share of weights that have a
# gradient.
COLUMNS = ("sparsity", "threshold", "scale", "regrowth", "gradient_density")


class Feather:
    """A sparse training of a model over so many `steps`; it ends with the exact share `sparsity` of zeros.

    `options` are those of a variant. Raises Refused for a sparsity or a share of dropped weights that cannot be, for a
    ramp that cannot be, and for a model without prunable weights or with frozen ones.
    """

    def __init__(
        self, model: nn.Module, sparsity: Fraction, options: Mapping[str, Any], steps: int, epochs: int, seed: int = 0
    ) -> None:
        if not 0 <= sparsity < 1:
            raise Refused(f"the sparsity is {float(sparsity):g}, but it is a share of zeros: give 0 to below 1")
        if not 0 <= fraction(options["drop"]) <= 1:
            raise Refused(f"the share of dropped weights is {options['drop']}: give 0 to 1")
        self.sparsity, self.options, self.steps = sparsity, options, steps
        self.weights = Weights(model, options["power"])
        self.ramp = schedules.Ramp(steps, epochs, options)
        self.dropped = None
        if options["drop"]:
            self.dropped = Dropped(self.weights, options["drop"], options["drop_rule"], seed)
        # (count,) bool: the open weights of the last comparison.
        self.compared = torch.ones_like(self.weights.closed)
        self.scale = 1.0

    def hook(self) -> Hook:
        """The hook of `training.loop.train`; of no sparsity it is neutral."""
        if not self.sparsity:
            return Hook(columns=self._columns)
        return Hook(
            before_step=self._before_step,
            shown=self.weights.shown,
            after_backward=self._after_backward,
            columns=self._at_the_end_of_an_epoch,
            may_keep=self._may_keep,
            state=self._state,
            restore=self._restore,
        )

    @property
    def achieved(self) -> float:
        """The share of weights that are closed."""
        return self.weights.zeros / self.weights.count

    def _before_step(self, step, steps):
        if steps != self.steps:
            raise ValueError(f"a ramp over {self.steps} steps is in a training of {steps}")
        share = ramps.cubic(self.ramp.at(step))
        self._close(zeros_at(self.sparsity * share, self.weights.count), step)
        self.scale = schedules.scale_at(self.achieved, float(self.sparsity), self.options)
        if step % self.ramp.interval == 0:
            self._compare()

    def _close(self, zeros, step):
        if self.dropped is None:
            self.weights.close(zeros)
            return
        self.weights.close(zeros, self.dropped.mask)
        self.dropped.grow(step)

    def _compare(self):
        """Count the weights that have come back; those that the schedule closes are no sign of instability."""
        opened = ~self.weights.closed
        back = (opened & ~self.compared).count_nonzero() / self.compared.count_nonzero()
        self.ramp.measured(back.item())
        self.compared = opened

    def _after_backward(self):
        self.weights.scale_gradients(self.scale, self.dropped and self.dropped.mask)

    def _at_the_end_of_an_epoch(self):
        """Close weights anew after the last step, so that validation sees the exact sparsity."""
        self._close(self.weights.zeros, self.steps)
        return self._columns()

    def _columns(self):
        without = self.dropped.count if self.dropped else 0
        if self.scale == 0:
            # Dropped weights are among the closed ones.
            without = self.weights.zeros
        return {
            "sparsity": self.achieved,
            "threshold": self.weights.threshold,
            "scale": self.scale,
            "regrowth": self.ramp.regrowth,
            "gradient_density": 1 - without / self.weights.count,
        }

    def _may_keep(self, row):
        """Only a network with the sparsity that was asked for."""
        return row["sparsity"] == zeros_at(self.sparsity, self.weights.count) / self.weights.count

    def _state(self):
        state = {"progress": str(self.ramp.progress), "regrowth": self.ramp.regrowth, "compared": self.compared.cpu()}
        if self.dropped:
            state |= self.dropped.state()
        return state

    def _restore(self, state):
        self.ramp.progress, self.ramp.regrowth = Fraction(state["progress"]), state["regrowth"]
        self.compared.copy_(state["compared"])
        if self.dropped:
            self.dropped.restore(state)
