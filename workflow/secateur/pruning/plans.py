"""The channels that are removed at a level of a ranking, under a budget and a floor."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from secateur import Refused
from secateur import ranking as rankings
from secateur.pruning import groups
from secateur.study import levels, vocabulary
from secateur.units import finding
from secateur.units.coupling import Coupling

if TYPE_CHECKING:
    import pandas


def plan(
    ranking: pandas.DataFrame,
    level: float | Fraction,
    terms: levels.Terms = levels.PLAIN,
    coupled: Coupling | None = None,
) -> dict[str, list[int]]:
    """The channels that a level removes, {layer: [index, ...]}, from a ranking table.

    A level is a share of what the budget of the `levels.Terms` counts: of the units, rounded to whole ones, or of the
    network's parameters or multiply-adds ("parameters", "macs"), of which the fewest units in the order of the ranking
    are removed that save as much; these two need `coupled`, the Coupling of the network.

    With `keep_at_least`, a unit is passed over whose removal would leave a layer with fewer channels than its floor,
    and the next in the ranking is removed in its place, so that the level is met all the same. Units that the ranking
    marks as having no score (its column `stays`) are never removed, but count. `round_to` rounds each pruned layer's
    width up to a multiple, keeping its highest-ranked units, so that fewer units are removed than a level of units asks
    for; levels of parameters and multiply-adds are met all the same. Raises Refused where a level cannot be met, and
    where `coupled` is needed and missing.
    """
    order, removable = _by_removal(ranking, terms.keep_at_least)
    if terms.budget == "units":
        count = levels.removed_at(level, len(order))
        if count > removable:
            raise _too_many(ranking, order, level, count, removable, terms)
        removed = _rounded(ranking, order[:count], terms.round_to)
    else:
        coupled = needed(coupled, terms.budget)
        removed = _for_budget(ranking, order[:removable], level, terms, coupled)
    return channels_of(ranking, removed)


def channels_of(ranking: pandas.DataFrame, units: Iterable[int]) -> dict[str, list[int]]:
    """The channels {layer: [index, ...]} of some units of a ranking table."""
    chosen, found = set(units), {}
    for unit, layer, channel in _rows(ranking):
        if unit in chosen:
            found.setdefault(layer, []).append(channel)
    return {layer: sorted(channels) for layer, channels in found.items()}


def _rows(ranking):
    """(unit, layer, channel) of every row, in lists: an iteration over a column of pandas's strings is slow."""
    return zip(*(ranking[name].tolist() for name in ("unit", "layer", "channel")), strict=True)


def _too_many(ranking, order, level, count, removable, terms):
    """The Refused for a level of units that asks for more than can be removed."""
    why = ""
    unscored = len(order) - len(rankings.order(ranking))
    if unscored:
        why = f"{unscored} have no score and "
    return Refused(
        f"level {level} is {count} of {len(order)} units, but {why}with keep_at_least {terms.keep_at_least} only "
        f"{removable} can be removed; lower the level or the floor"
    )


def needed(coupled: Coupling | None, budget: str) -> Coupling:
    """The Coupling itself; Refused if there is none, for a budget other than units."""
    if coupled is None:
        raise Refused(f"the budget {budget} needs the Coupling of the network, from units.coupling.followed")
    return coupled


def _for_budget(ranking, order, level, terms, coupled):
    """The first units of `order`, as few as save the share of a network's parameters or multiply-adds when rounded."""
    group_of = groups_of_units(ranking, order, coupled)
    dense = cost(coupled, np.zeros(len(coupled.sizes), bool), terms.budget)

    def saved(count):
        removed = np.zeros(len(coupled.sizes), bool)
        for unit in _rounded(ranking, order[:count], terms.round_to):
            removed[group_of[unit]] = True
        return dense - cost(coupled, removed, terms.budget)

    wanted = levels.fraction(level) * dense
    if saved(len(order)) < wanted:
        raise _too_little(level, wanted, saved(len(order)), dense, terms)
    count = bisect.bisect_left(range(len(order)), wanted, key=saved)
    return _rounded(ranking, order[:count], terms.round_to)


def groups_of_units(ranking: pandas.DataFrame, order: Iterable[int], coupled: Coupling) -> dict[int, int]:
    """{unit: its group} of the units in `order`."""
    first = ranking.drop_duplicates("unit").set_index("unit").loc[order, ["layer", "channel"]]
    return {row.Index: int(coupled.outputs[row.layer][row.channel]) for row in first.itertuples()}


def cost(coupled: Coupling, removed: np.ndarray, budget: str) -> int:
    """The parameters or multiply-adds that are left without the groups marked in `removed`, (groups,) bool."""
    return getattr(coupled.counter.left(removed), budget)


def _too_little(level, wanted, saved, dense, terms):
    """The Refused for a level of parameters or multiply-adds that no set of units saves."""
    most = math.floor(1000 * saved / dense) / 1000
    limits, where, remedy = [], "", "lower the level"
    if terms.keep_at_least:
        limits.append(f"keep_at_least {terms.keep_at_least}")
        remedy = "lower the level or the floor"
    if terms.round_to > 1:
        limits.append(f"round_to {terms.round_to}")
    if limits:
        where = f" with {' and '.join(limits)}"
    return Refused(
        f"level {level} is {float(wanted):,.0f} of {dense:,} {vocabulary.BUDGETS[terms.budget]}, but{where} no more "
        f"than a share of {most:g} can be removed; {remedy}"
    )


def refuse_level(
    units: finding.Units, level: float, terms: Iterable[Mapping[str, Any]], unscored: Iterable[int] = ()
) -> None:
    """Refuse a level that asks for more of the `finding.Units` than can be removed, or for all of them.

    `terms` are {"budget", "keep_at_least", "round_to"}, once for each floor. Units are taken in network order: under a
    budget other than units, a ranking of its own may need a few units more or less. `unscored` are ids of units without
    a score, which are never removed.
    """
    table = finding.table(units)
    count, unscored = len(units.units), set(unscored)
    scored = [unit for unit in range(count) if unit not in unscored]
    order = rankings.table(scored, table, partial=True)
    for floor in terms:
        if units_of(order, plan(order, level, levels.Terms(**floor), units.coupled)) == count:
            raise Refused(
                f"levels: {level} removes all {count} units of the network, and nothing would be left; lower it"
            )


def refuse_unexplained(
    units: finding.Units, level: float, terms: Iterable[Mapping[str, Any]], reading: str, channels: dict[str, list[int]]
) -> list[int]:
    """The ids of units that consist only of `channels`, which have no relevance; Refused if a level needs any."""
    unscored = finding.only_of(units, channels)
    try:
        refuse_level(units, level, terms, unscored)
    except Refused as error:
        raise Refused(f"readings.{reading}: {error}; or leave the reading out (readings: {{}})") from error
    return unscored


def realised(
    ranking: pandas.DataFrame, channels: dict[str, list[int]], budget: str = "units", coupled: Coupling | None = None
) -> float:
    """The share of the units, parameters or multiply-adds that the removal of {layer: [index, ...]} saves.

    Parameters and multiply-adds need `coupled`; Refused if it is missing.
    """
    if budget == "units":
        return units_of(ranking, channels) / ranking["unit"].nunique()
    coupled = needed(coupled, budget)
    dense = cost(coupled, groups.removed_by(coupled, {}), budget)
    left = cost(coupled, groups.removed_by(coupled, channels), budget)
    return 1 - left / dense


def units_of(ranking: pandas.DataFrame, channels: dict[str, list[int]]) -> int:
    """The count of units of a ranking table that have any of the channels {layer: [index, ...]}."""
    return len(with_any(ranking, channels))


def with_any(ranking: pandas.DataFrame, channels: dict[str, list[int]]) -> set[int]:
    """The ids of these units."""
    listed = {(layer, index) for layer, indices in channels.items() for index in indices}
    return {unit for unit, layer, channel in _rows(ranking) if (layer, channel) in listed}


def _rounded(ranking, removed, multiple):
    """The units of `removed`, in order, whose removal leaves every layer's width a multiple, or as it was."""
    if not isinstance(multiple, int) or multiple < 1:
        raise Refused(f"round_to must be a whole number from 1, got {multiple!r}")
    if multiple == 1:
        return removed
    widths, layers_of = Counter(ranking["layer"].tolist()), _layers_of_units(ranking)
    lost, units_in = Counter(), {layer: [] for layer in widths}
    for unit in removed:
        lost.update(layers_of[unit])
        for layer in layers_of[unit]:
            units_in[layer].append(unit)
    places = {unit: place for place, unit in enumerate(removed)}
    while uneven := _uneven(widths, lost, multiple):
        restored = _restored(units_in[uneven[0]], layers_of, uneven, places)
        lost.subtract(layers_of[restored])
        for layer in layers_of[restored]:
            units_in[layer].remove(restored)
        del places[restored]
    return list(places)


def _uneven(widths, lost, multiple):
    """The layers, in network order, that lose channels and whose width is then no multiple."""
    return [layer for layer, width in widths.items() if lost[layer] and (width - lost[layer]) % multiple]


def _restored(units, layers_of, uneven, places):
    """The unit to keep after all: one with channels in as few even layers as possible; of these, the last ranked."""

    def even_layers_then_rank(unit):
        return len(layers_of[unit].keys() - uneven), -places[unit]

    return min(units, key=even_layers_then_rank)


def _layers_of_units(ranking):
    """{unit: {layer: count of the unit's channels in this layer}}."""
    layers_of = {}
    for unit, layer, _ in _rows(ranking):
        layers_of.setdefault(unit, Counter())[layer] += 1
    return layers_of


def _by_removal(ranking, keep_at_least):
    """(units in the order of their removal, the count that can be removed); those that must stay come last."""
    order = rankings.order(ranking).tolist()
    unscored = []
    if "stays" in ranking:
        unscored = list(dict.fromkeys(ranking.loc[ranking["stays"] == 1, "unit"]))
    if not keep_at_least:
        return order + unscored, len(order)
    left = Counter(ranking["layer"].tolist())
    floors = {layer: levels.floor(keep_at_least, width) for layer, width in left.items()}
    layers_of = _layers_of_units(ranking)
    removed, passed_over = [], []
    for unit in order:
        if _breaks_floor(layers_of[unit], left, floors):
            passed_over.append(unit)
        else:
            left.subtract(layers_of[unit])
            removed.append(unit)
    return removed + passed_over + unscored, len(removed)


def _breaks_floor(lost, left, floors):
    """True if a layer with `left` channels that loses `lost`, both by layer, has fewer than its floor."""
    return any(left[layer] - count < floors[layer] for layer, count in lost.items())
