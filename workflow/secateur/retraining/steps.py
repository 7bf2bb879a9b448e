"""Iterative pruning: the plan of each step, and the networks between them."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

from torch import nn

from secateur.models.description import NetworkDescription
from secateur.pruning import plans as pruning_plans
from secateur.pruning import removal
from secateur.study import levels
from secateur.units import coupling

if TYPE_CHECKING:
    import pandas


def plans(
    ranking: pandas.DataFrame,
    level: float,
    steps: int = 1,
    terms: levels.Terms = levels.PLAIN,
    coupled: coupling.Coupling | None = None,
) -> list[dict[str, list[int]]]:
    """The channels removed, {layer: [index, ...]}, after each of so many equal steps up to a level.

    Each plan includes the one before. `terms` and errors are those of `pruning.plan`. Widths are rounded in the last
    step; channels that the rounding keeps are kept in all steps.
    """
    last = pruning_plans.plan(ranking, level, terms, coupled)
    unrounded = dataclasses.replace(terms, round_to=1)
    plans = []
    for step in range(1, steps):
        share = levels.fraction(level) * Fraction(step, steps)
        plan = pruning_plans.plan(ranking, share, unrounded, coupled)
        plans.append(_common(plan, last))
    return [*plans, last]


def _common(first, second):
    """The channels, {layer: [index, ...]}, that are in both plans."""
    common = {}
    for layer in first:
        indices = {*first[layer]} & {*second.get(layer, [])}
        if indices:
            common[layer] = sorted(indices)
    return common


def narrowed(model: nn.Module, plan: dict[str, list[int]], described: NetworkDescription) -> nn.Module:
    """The smaller model of a plan, traced for images of the described shape, which branches without channels need."""
    return removal.narrowed(model, plan, followed(model, described))


def followed(model: nn.Module, described: NetworkDescription) -> coupling.Coupling:
    """The `coupling.Coupling` of a model on images of the shape that its NetworkDescription names."""
    return coupling.followed(model, described.zeros(2, next(model.parameters()).device))
