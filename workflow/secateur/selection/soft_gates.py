"""Gates of scores that are soft at first and hard in the end, with the gradient of soft ones (our design).

A hard gate has no derivative, and a straight-through one takes that of another function, which leads a scorer that all
layers share astray. A soft gate is a sigmoid of the score's distance from a threshold, which is where the gates cost as
much as those that a ranking opens; its gradient counts the threshold's movement. But half-open gates are a way out that
removal does not have: behind BatchNorm with the statistics of batches, gates of one half change nothing. So over the
fit gates are blended from soft to hard, and the temperature of the soft ones falls.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import optimize, special

from secateur.selection.pruning_models import standardised

# Temperatures at a fit's begin and end, in standard deviations of the scores.
FIRST, LAST = 1.0, 0.1


def progress_at(step: int, steps: int) -> float:
    """The share of a fit that is done at a step from 0 of so many `steps`: 0 at the first, and 1 at the last."""
    return min(step / (steps - 1), 1.0) if steps > 1 else 1.0


def temperature(progress: float) -> float:
    """The temperature at a share of the fit: from FIRST to LAST, by an equal factor each step."""
    return FIRST * (LAST / FIRST) ** progress


def gates(scores: torch.Tensor, opened: torch.Tensor, costs: torch.Tensor, progress: float) -> torch.Tensor:
    """(U,) gates of scores (U,), where a ranking leaves those `opened` (U,) bool: `soft` to hard by the progress.

    The gradient is that of the soft ones. Scores that are not finite give gates that are not.
    """
    relaxed = soft(scores, opened, costs, temperature(progress))
    return relaxed + progress * (opened.to(relaxed.dtype) - relaxed.detach())


def soft(scores: torch.Tensor, opened: torch.Tensor, costs: torch.Tensor, temperature: float) -> torch.Tensor:
    """(U,) gates between 0 and 1 of scores (U,), which cost as much as those that are `opened` (U,) bool.

    sigmoid((s - t) / temperature) of standardised scores, with the threshold t at which the sum of costs (U,), float64,
    times gates is the cost of opened units. Where these cost all or nothing, gates are as they are opened, and the
    gradient is zero.
    """
    cost = float(costs[opened].sum())
    if not 0 < cost < float(costs.sum()) or not bool(scores.isfinite().all()):
        return opened + (scores * 0).sum()
    return _Relaxed.apply(standardised(scores), cost, costs, temperature)


class _Relaxed(torch.autograd.Function):
    """Sigmoids over a threshold that keeps their cost; by the implicit function theorem, so does the gradient."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, cost: float, costs: torch.Tensor, temperature: float) -> torch.Tensor:
        threshold = _threshold(scores, cost, costs, temperature)
        gates = torch.sigmoid((scores - threshold) / temperature)
        ctx.save_for_backward(gates, costs)
        ctx.temperature = temperature
        return gates

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gates, costs = ctx.saved_tensors
        slopes = gates * (1 - gates) / ctx.temperature
        moved = costs * slopes
        # No slope is left where every gate is shut or open to the last bit.
        shares = (moved / moved.sum().clamp_min(torch.finfo(moved.dtype).tiny)).to(gates.dtype)
        by_threshold = (slopes * gradients[0]).sum()
        return slopes * gradients[0] - shares * by_threshold, None, None, None


def _threshold(scores, cost, costs, temperature):
    """The threshold at which gates of the scores have the cost."""
    values, prices = scores.detach().double().cpu().numpy(), costs.cpu().numpy()

    def excess(threshold):
        return prices @ special.expit((values - threshold) / temperature) - cost

    # Where all gates are e^-36 from open, or from shut, rounding alone is left.
    margin = temperature * -math.log(np.finfo(float).eps)
    return optimize.brentq(excess, values.min() - margin, values.max() + margin)
