"""Rankings in steps: a part of the units is removed, the network recovers, and what is left is scored anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas
from torch import nn

from secateur import Refused
from secateur import ranking as rankings
from secateur.pruning import groups, plans
from secateur.study import levels
from secateur.units.coupling import Coupling

Channels = dict[str, list[int]]
# {layer: scores (C,)} of a network, the dense one or a smaller one, whose layers have the same names. Channels without
# a score are not numbers; layers that the network no longer calls, because a branch is empty, are left out.
Score = Callable[[nn.Module], Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Smaller:
    """A network without `channels` of the dense one, {layer: [index, ...]}."""

    network: nn.Module
    channels: Channels


# A smaller network without further channels of the dense one, all of them given, recovered.
Recover = Callable[[Smaller, Channels], nn.Module]


def rescored(
    dense: nn.Module,
    units: pandas.DataFrame,
    coupled: Coupling,
    score: Score,
    steps: Sequence[float],
    recover: Recover,
    terms: levels.Terms = levels.PLAIN,
    comparison: Mapping[str, Any] | None = None,
) -> pandas.DataFrame:
    """The ranking table of all units in the order of their removal, scored anew after each of the rising `steps`.

    Up to the first level the order is that of the dense network's scores, up to the second that of the network which
    `recover` makes without these units, and so on; behind the last level the last scores go on. `units` is the table of
    units, `coupled` the dense network's Coupling, and `comparison` the options of `ranking.of_scores`. Units of layers
    that are no longer called leave first, because nothing is lost with them; those without a score stay. Raises Refused
    as `plan` does, and for a step that leaves no path from the images to the answers.
    """
    smaller, order = Smaller(dense, {}), []
    removed: list[int] = []
    table = units
    for place, level in enumerate(steps):
        order = [*removed, *_ranked(smaller, units, removed, coupled, score, comparison or {})]
        table = rankings.table(order, units, partial=True)
        channels = plans.plan(table, level, terms, coupled)
        if place + 1 == len(steps):
            break
        if groups.is_constant(coupled, channels):
            raise Refused(
                f"a step to level {level} leaves no path from the images to the answers, and no score of what is left; "
                "lower the levels, or keep more of every layer (evaluation.keep_at_least)"
            )
        smaller = Smaller(recover(smaller, channels), channels)
        planned = plans.with_any(units, channels)
        removed = [unit for unit in order if unit in planned]
    return table


def _ranked(smaller, units, removed, coupled, score, comparison):
    """The units that are left in the order of the smaller network's scores."""
    left = units[~units["unit"].isin(removed)]
    scores = score(smaller.network)
    kept = _kept(coupled, smaller.channels)
    rows = []
    for layer in dict.fromkeys(left["layer"]):
        of_layer = scores.get(layer, [np.nan] * len(kept[layer]))
        rows += zip([layer] * len(kept[layer]), kept[layer].tolist(), of_layer, strict=True)
    table = pandas.DataFrame(rows, columns=["layer", "channel", "score"])
    idle = _all_in(left, set(left["layer"]) - set(scores))
    return idle + rankings.of_scores(table, left, **comparison).tolist()


def _all_in(units, layers):
    """The units all of whose channels are in some layers."""
    inside = units["layer"].isin(layers).groupby(units["unit"]).all()
    return inside.index[inside].tolist()


def _kept(coupled, channels):
    """{layer: the indices in the dense network of the channels that are left, ascending}."""
    gone = groups.removed_by(coupled, channels)
    return {layer: np.flatnonzero(~gone[ids]) for layer, ids in coupled.outputs.items()}
