"""Pruning in steps: the plans of each step, and training between them."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
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
    """What is gone, {layer: [index, ...]}, after each of so many equal steps up to a level; each holds the one before.

    `terms` are those of `pruning.plan`, which also raises the errors. Widths are rounded at the end of the steps:
    what stays then, stays all along.
    """
    last = pruning_plans.plan(ranking, level, terms, coupled)
    shares = [levels.fraction(level) * Fraction(step, steps) for step in range(1, steps)]
    unrounded = dataclasses.replace(terms, round_to=1)
    steps = [pruning_plans.plan(ranking, share, unrounded, coupled) for share in shares]
    return [*(_both(step, last) for step in steps), last]


def _both(first, second):
    """The channels, {layer: [index, ...]}, that are in both."""
    shared = {layer: sorted({*first[layer]} & {*second[layer]}) for layer in first if layer in second}
    return {layer: index for layer, index in shared.items() if index}


def narrowed(model: nn.Module, plan: dict[str, list[int]], described: NetworkDescription) -> nn.Module:
    """The smaller model of a plan, traced for images as described, because a branch without channels has their size."""
    return removal.narrowed(model, plan, followed(model, described))


def followed(model: nn.Module, described: NetworkDescription) -> coupling.Coupling:
    """The `coupling.Coupling` of a model on images of the shape that its NetworkDescription names."""
    return coupling.followed(model, described.zeros(2, next(model.parameters()).device))


def further(before: dict[str, list[int]], plan: dict[str, list[int]]) -> dict[str, list[int]]:
    """What a plan removes beyond another, {layer: [index, ...]}, counted in the network that has lost `before`."""
    found = {}
    for layer, index in plan.items():
        lost = np.sort(np.asarray(before.get(layer, []), int))
        new = np.setdiff1d(index, lost)
        if len(new):
            found[layer] = (new - np.searchsorted(lost, new)).tolist()
    return found
