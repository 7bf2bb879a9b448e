"""Soft gates of scores that harden over a fit: a relaxation of the k largest, with its exact gradient (our design).

A hard gate has no derivative, and a straight-through one takes that of another function, which leads a scorer that all
layers share astray. A soft gate is a sigmoid of the score's distance from a threshold, which is where the gates cost as
much as those that a ranking opens; its gradient is exact, the threshold's movement included. As the temperature falls,
the gates become those of the ranking.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import optimize, special

# Temperatures at a fit's begin and end, in standard deviations of the scores.
FIRST, LAST = 1.0, 0.1
# Added to the variance of scores, which are all equal in a layer of equal units.
VARIANCE = 1e-12


def temperature(step: int, steps: int) -> float:
    """The temperature at a step from 0 of so many `steps`: from FIRST to LAST, by an equal factor each step."""
    progress = step / (steps - 1) if steps > 1 else 1.0
    return FIRST * (LAST / FIRST) ** min(progress, 1.0)


def standardised(scores: torch.Tensor) -> torch.Tensor:
    """Scores (U,) less their mean, in standard deviations."""
    centred = scores - scores.mean()
    return centred / (centred.square().mean() + VARIANCE).sqrt()


def gates(scores: torch.Tensor, opened: torch.Tensor, costs: torch.Tensor, temperature: float) -> torch.Tensor:
    """(U,) gates between 0 and 1 of scores (U,), which cost as much as those that are `opened` (U,) bool.

    sigmoid((s - t) / temperature) of standardised scores, with the threshold t at which the sum of costs (U,), float64,
    times gates is the cost of opened units. A unit that is opened below one that is not, as a floor keeps it, has a
    gate of 1. Where nothing is left to share out, gates are 1 and 0 as units are opened, and the gradient is zero.
    """
    as_opened = opened + scores * 0
    if bool(opened.all()):
        return as_opened
    values = standardised(scores)
    free = ~(opened & (values < values[~opened].max()))
    cost = float(costs[free & opened].sum())
    if not 0 < cost < float(costs[free].sum()):
        return as_opened
    soft = _Relaxed.apply(values[free], cost, costs[free], temperature)
    return torch.ones_like(values).masked_scatter(free, soft)


class _Relaxed(torch.autograd.Function):
    """Sigmoids over a threshold that keeps their cost; by the implicit function theorem, so does the gradient."""

    @staticmethod
    def forward(ctx, scores, cost, costs, temperature):
        threshold = _threshold(scores, cost, costs, temperature)
        gates = torch.sigmoid((scores - threshold) / temperature)
        ctx.save_for_backward(gates, costs)
        ctx.temperature = temperature
        return gates

    @staticmethod
    def backward(ctx, *gradients):
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
