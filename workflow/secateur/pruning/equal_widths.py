"""Widths of `scope: widths` against the network: a level that meets them, and terms that let it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from secateur import Refused
from secateur import ranking as rankings
from secateur.pruning import plans
from secateur.study import widths as study_widths
from secateur.study.levels import Terms
from secateur.units import finding

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Met:
    """Widths that a level meets: {layer: (count of units, count that is kept)} of layers that lose some, and totals."""

    layers: dict[str, tuple[int, int]]
    level: float
    removed: int
    units: int


def refuse_unmet(
    units: finding.Units,
    widths: Mapping[str, Mapping[str, int]],
    levels: Sequence[float],
    terms: Iterable[Mapping[str, Any]],
) -> dict[str, Met]:
    """{setting: how its widths are met} of {setting: widths}.

    Refused, with the setting at the beginning, for widths that the network cannot have, that none of the `levels`
    meets, or that a floor or a rounding of the `terms` ({"budget", "keep_at_least", "round_to"}, once for each floor)
    forbids.
    Channels that are coupled across layers are looked at in network order.
    """
    table, met = finding.table(units), {}
    counts = rankings.counts_of(table)
    for setting, given in widths.items():
        kept = study_widths.resolved(given, counts, setting)
        removed = study_widths.removed(kept, counts)
        level = study_widths.met_by(levels, removed, len(units.units), setting)
        order = rankings.at_widths(np.arange(len(units.units)), rankings.layers_of(table), kept)
        for floor in terms:
            _refuse_kept(table, order, removed, level, floor, setting)
        losing = {layer: (count, kept[layer]) for layer, count in counts.items() if kept[layer] < count}
        met[setting] = Met(losing, level, removed, len(units.units))
    return met


def _refuse_kept(table: pandas.DataFrame, order, removed, level, terms, setting):
    """Refused if under these terms a level leaves other widths than without the first `removed` units of `order`."""
    wanted = Counter(table.loc[table["unit"].isin(order[:removed]), "layer"])
    planned = plans.plan(rankings.table(order, table), level, Terms(**terms))
    for layer, width in Counter(table["layer"]).items():
        left = width - len(planned.get(layer, ()))
        if left != width - wanted[layer]:
            raise Refused(
                f"{setting} keeps {width - wanted[layer]} of the {width} channels of {layer}, but with "
                f"{_named(terms)} level {level} keeps {left}; change one of the two"
            )


def _named(terms):
    """The terms that can keep channels, as settings."""
    named = []
    if terms["keep_at_least"]:
        named.append(f"evaluation.keep_at_least {terms['keep_at_least']}")
    if terms["round_to"] > 1:
        named.append(f"evaluation.round_to {terms['round_to']}")
    return " and ".join(named)
