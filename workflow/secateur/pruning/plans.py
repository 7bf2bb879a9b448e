"""Which channels are removed at a level of a ranking, under a budget and a floor."""

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
from secateur.pruning import bundling
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

    A level is a share of what the budget of the `levels.Terms` says: of the units, rounded to whole ones, or of the
    network's parameters or multiply-adds ("parameters", "macs"), of which the fewest units in the order of the ranking
    are removed that save as much; these two need `coupled`, the Coupling of the network.

    With `keep_at_least`, a unit that would leave a layer with less than its floor is passed over and the next in the
    ranking is removed in its place, so that the level is met all the same. Units that the ranking says stay (its column
    `stays`) are never removed, but count. `round_to` rounds each pruned layer's width up to a multiple, keeping its
    highest-ranked units, so that fewer units are removed than a level of units asks for; levels of parameters and
    multiply-adds are met all the same. Raises Refused where a level cannot be met.
    """
    order, last = _by_removal(ranking, terms.keep_at_least)
    if terms.budget == "units":
        count = levels.removed_at(level, len(order))
        if count > last:
            raise _too_many(ranking, order, level, count, last, terms)
        removed = _rounded(ranking, order[:count], terms.round_to)
    else:
        removed = _for_budget(ranking, order[:last], level, terms, coupled)
    rows = ranking[ranking["unit"].isin(set(removed))]
    return {layer: sorted(part["channel"]) for layer, part in rows.groupby("layer", sort=False)}


def _too_many(ranking, order, level, count, last, terms):
    """The Refused for a level of units that asks for more than can be removed."""
    unscored = len(order) - len(rankings.order(ranking))
    why = f"{unscored} have no score and " if unscored else ""
    return Refused(
        f"level {level} is {count} of {len(order)} units, but {why}with keep_at_least {terms.keep_at_least} only "
        f"{last} can be removed; lower the level or the floor"
    )


def _for_budget(ranking, order, level, terms, coupled):
    """The first units of `order`, as few as save the share of a network's parameters or multiply-adds when rounded."""
    first = ranking.drop_duplicates("unit").set_index("unit").loc[order, ["layer", "channel"]].itertuples()
    bundle = {unit: int(coupled.outputs[layer][index]) for unit, layer, index in first}
    whole = getattr(coupled.counter.left(np.zeros(len(coupled.sizes), bool)), terms.budget)

    def saved(count):
        gone = np.zeros(len(coupled.sizes), bool)
        gone[[bundle[unit] for unit in _rounded(ranking, order[:count], terms.round_to)]] = True
        return whole - getattr(coupled.counter.left(gone), terms.budget)

    wanted = levels.fraction(level) * whole
    if saved(len(order)) < wanted:
        raise _too_little(level, wanted, saved(len(order)), whole, terms)
    count = bisect.bisect_left(range(len(order)), wanted, key=saved)
    return _rounded(ranking, order[:count], terms.round_to)


def _too_little(level, wanted, saved, whole, terms):
    """The Refused for a level of parameters or multiply-adds that no set of units saves."""
    most = math.floor(1000 * saved / whole) / 1000
    kept = [f"keep_at_least {terms.keep_at_least}"] if terms.keep_at_least else []
    kept += [f"round_to {terms.round_to}"] if terms.round_to > 1 else []
    where = f" with {' and '.join(kept)}" if kept else ""
    return Refused(
        f"level {level} is {float(wanted):,.0f} of {whole:,} {vocabulary.BUDGETS[terms.budget]}, but{where} no more "
        f"than a share of {most:g} can be removed; lower the level{' or the floor' if terms.keep_at_least else ''}"
    )


def refuse_level(
    found: finding.Units, level: float, terms: Iterable[Mapping[str, Any]], stay: Iterable[int] = ()
) -> None:
    """Refused if a level asks more of the `finding.Units` found than can go, or would leave nothing of them.

    `terms` are {"budget", "keep_at_least", "round_to"}, once for each floor. Units are taken in network order: a
    ranking of its own may miss or meet a level by a unit more or less. Those whose ids are in `stay` have no score.
    """
    table = finding.table(found)
    order = rankings.table([unit for unit in range(len(found.units)) if unit not in {*stay}], table, partial=True)
    for one in terms:
        if units_of(order, plan(order, level, levels.Terms(**one), found.coupled)) == len(found.units):
            raise Refused(
                f"levels: {level} removes all {len(found.units)} units of the network, and nothing would be left; "
                "lower it"
            )


def refuse_unexplained(
    found: finding.Units, level: float, terms: Iterable[Mapping[str, Any]], reading: str, channels: dict[str, list[int]]
) -> list[int]:
    """Ids of the units that consist of `channels` without relevance alone; Refused if a level needs any of them."""
    stay = finding.only_of(found, channels)
    try:
        refuse_level(found, level, terms, stay)
    except Refused as error:
        raise Refused(f"readings.{reading}: {error}; or leave the reading out (readings: {{}})") from error
    return stay


def realised(
    ranking: pandas.DataFrame, channels: dict[str, list[int]], budget: str = "units", coupled: Coupling | None = None
) -> float:
    """The share of the units, parameters or multiply-adds that {layer: [index, ...]} removes."""
    if budget == "units":
        return units_of(ranking, channels) / ranking["unit"].nunique()
    whole, left = (getattr(coupled.counter.left(bundling.bundles(coupled, gone)), budget) for gone in ({}, channels))
    return 1 - left / whole


def units_of(ranking: pandas.DataFrame, channels: dict[str, list[int]]) -> int:
    """How many units of a ranking table {layer: [index, ...]} removes."""
    gone = {layer: {*indices} for layer, indices in channels.items()}
    rows = zip(ranking["unit"], ranking["layer"], ranking["channel"], strict=True)
    return len({unit for unit, layer, index in rows if index in gone.get(layer, ())})


def _rounded(ranking, gone, multiple):
    """The units of `gone`, in order, that go when every layer's width stays a multiple, or as it was."""
    if not isinstance(multiple, int) or multiple < 1:
        raise Refused(f"round_to must be a whole number from 1, got {multiple!r}")
    if multiple == 1:
        return gone
    width, by_unit = Counter(ranking["layer"]), _layers_of_units(ranking)
    lost, of_layer = Counter(), {layer: [] for layer in width}
    for unit in gone:
        lost.update(by_unit[unit])
        for layer in by_unit[unit]:
            of_layer[layer].append(unit)
    place = {unit: at for at, unit in enumerate(gone)}
    while uneven := {layer for layer in width if lost[layer] and (width[layer] - lost[layer]) % multiple}:
        layer = next(layer for layer in width if layer in uneven)
        # Of the units of this layer, one that undoes as little as possible of what is even; then the last ranked.
        back = min(of_layer[layer], key=lambda unit: (len(by_unit[unit].keys() - uneven), -place[unit]))  # noqa: B023
        lost.subtract(by_unit[back])
        for other in by_unit[back]:
            of_layer[other].remove(back)
        del place[back]
    return list(place)


def _layers_of_units(ranking):
    """{unit: {layer: how many of its channels are of this layer}}."""
    by_unit = {}
    for unit, layer in zip(ranking["unit"], ranking["layer"], strict=True):
        by_unit.setdefault(unit, Counter())[layer] += 1
    return by_unit


def _by_removal(ranking, keep_at_least):
    """(units in the order in which they go, how many of them can go); those that stay or a floor keeps come last."""
    order = rankings.order(ranking).tolist()
    unscored = list(dict.fromkeys(ranking.loc[ranking["stays"] == 1, "unit"])) if "stays" in ranking else []
    if not keep_at_least:
        return order + unscored, len(order)
    left = Counter(ranking["layer"])
    least = {layer: levels.floor(keep_at_least, width) for layer, width in left.items()}
    by_unit = _layers_of_units(ranking)
    gone, kept = [], []
    for unit in order:
        if any(left[layer] - count < least[layer] for layer, count in by_unit[unit].items()):
            kept.append(unit)
            continue
        left.subtract(by_unit[unit])
        gone.append(unit)
    return gone + kept + unscored, len(gone)
