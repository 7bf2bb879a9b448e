"""Pruning in steps: the plans of each step, and training between them."""

import dataclasses
from fractions import Fraction

import numpy as np

from secateur.pruning import plans as pruning_plans
from secateur.pruning import removal
from secateur.study import levels
from secateur.units import coupling


def plans(ranking, level, steps=1, terms=levels.PLAIN, coupled=None):
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


def narrowed(model, plan, described):
    """The smaller model of a plan, traced for images as described, because a branch without channels has their size."""
    return removal.narrowed(model, plan, followed(model, described))


def followed(model, described):
    """The `coupling.Coupling` of a model on images of the shape that its NetworkDescription names."""
    return coupling.followed(model, described.zeros(2, next(model.parameters()).device))


def further(before, plan):
    """What a plan removes beyond another, {layer: [index, ...]}, counted in the network that has lost `before`."""
    found = {}
    for layer, index in plan.items():
        lost = np.sort(np.asarray(before.get(layer, []), int))
        new = np.setdiff1d(index, lost)
        if len(new):
            found[layer] = (new - np.searchsorted(lost, new)).tolist()
    return found
