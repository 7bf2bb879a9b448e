"""Rankings: permutations of the units, in the order of their removal."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pandas

from secateur import Refused
from secateur.study import seeds
from secateur.study.widths import resolved

# Columns that identify a channel.
CHANNEL = ["layer", "channel"]
# Columns of a table of units, with what each saves.
UNITS = ("unit", *CHANNEL, "parameters", "macs")


def by_score(scores: Sequence[float] | np.ndarray | pandas.Series) -> np.ndarray:
    """Unit ids by rising score; equal scores keep the network's order.

    `scores` is (units,), or a Series by unit id, as the function `scores` returns it, without the units that have no
    score. Raises Refused for a score that is not finite.
    """
    units, values = np.arange(len(scores)), np.asarray(scores, dtype=np.float64)
    if isinstance(scores, pandas.Series):
        # pandas has no types: the checker takes a Series for an array.
        units = cast(Any, scores).index.to_numpy()
    if not np.isfinite(values).all():
        invalid = int(np.flatnonzero(~np.isfinite(values))[0])
        raise Refused(f"the score of unit {units[invalid]} is {values[invalid]}; every unit needs a finite score")
    return units[np.argsort(values, kind="stable")]


def combined(relevance: Sequence[int] | np.ndarray, weight: Sequence[int] | np.ndarray) -> np.ndarray:
    """Units of two rankings in turns, relevance first, each unit where it occurs first (thesis, section 4.3)."""
    _same_units(relevance, weight)
    return _without_repeats(itertools.chain.from_iterable(zip(relevance, weight, strict=True)))


def mixed(
    weight: Sequence[int] | np.ndarray, relevance: Sequence[int] | np.ndarray, delta: str | float | Fraction
) -> np.ndarray:
    """Units of two rankings in the proportion (1 - delta) : delta, in exact fractions (thesis, section 4.4).

    Each step adds 1 - delta to the weight ranking's account and delta to the relevance ranking's; an account that
    reaches 1 pays for that ranking's next unit, weight first. When one ranking is exhausted, the rest of the other
    follows. `delta` is text, a Fraction or an integer; a float counts as its shortest decimal. Raises Refused for a
    delta outside 0..1, or rankings of different units.
    """
    delta = Fraction(str(delta))
    if not 0 <= delta <= 1:
        raise Refused(f"delta must be within 0 and 1, got {delta}")
    _same_units(relevance, weight)
    return _without_repeats(_turns(list(weight), list(relevance), delta))


def at_random(units: int | Sequence[int] | np.ndarray, seed: int) -> np.ndarray:
    """A random order of `units` (their count, or their ids)."""
    return seeds.numpy_generator(seed, "random ranking").permutation(units)


def _turns(weight, relevance, delta):
    """Units of both rankings in the proportion (1 - delta) : delta, each of them twice."""
    lists, shares = (weight, relevance), (1 - delta, delta)
    accounts, taken = [Fraction(0), Fraction(0)], [0, 0]
    while taken[0] < len(weight) and taken[1] < len(relevance):
        for side in (0, 1):
            accounts[side] += shares[side]
            if accounts[side] >= 1 and taken[side] < len(lists[side]):
                accounts[side] -= 1
                yield lists[side][taken[side]]
                taken[side] += 1
    yield from weight[taken[0] :]
    yield from relevance[taken[1] :]


def of_both(first: Sequence[int] | np.ndarray, second: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two rankings restricted to their common units: a unit without a score in one of them is ranked by neither."""
    first, second = np.asarray(first), np.asarray(second)
    return first[np.isin(first, second)], second[np.isin(second, first)]


def _without_repeats(units):
    return np.array(list(dict.fromkeys(units)))


def _same_units(first, second):
    if sorted(first) != sorted(second):
        raise Refused(f"the two rankings are not of the same units: {len(first)} and {len(second)} of them")


# ---- comparison between layers --------------------------------------------------------------------------------

# Divisors of a layer's scores that make layers comparable; absolute values, because some scores are negative.
NORMALISATIONS = {
    "none": lambda scores: 1.0,
    "layer_share": lambda scores: np.abs(scores).sum(),
    "layer_relative": lambda scores: np.abs(scores).mean(),
    "layer_max": lambda scores: np.abs(scores).max(),
    "layer_l2": lambda scores: np.linalg.norm(scores),
}
SCOPES = ("global", "layer", "stage", "isomorphic", "widths")


def normalised(statistics: pandas.DataFrame, statistic: str, how: str) -> pandas.DataFrame:
    """The table with one column normalised within each layer; a layer of zeros keeps them."""
    divisor = statistics.groupby("layer")[statistic].transform(lambda scores: NORMALISATIONS[how](scores.to_numpy()))
    return statistics.assign(**{statistic: statistics[statistic] / divisor.where(divisor != 0, 1.0)})


def scoped(
    order: np.ndarray,
    units: pandas.DataFrame,
    scope: str = "global",
    classes: pandas.DataFrame | None = None,
    widths: Mapping[str, int] | None = None,
) -> np.ndarray:
    """The order with units compared within a `scope` only: the network, a layer, a stage, units of one structure.

    At every level all layers, all stages or all structures lose an equal share of their units, by the table `classes`:
    (layer, stage) for the scope `stage`, (layer, channel, structure) for `isomorphic`. The scope `widths` is that of
    `at_widths`, by the setting {layer or width: count of units that are kept}.
    """
    if scope == "global":
        return order
    layers = layers_of(units)
    if scope == "widths":
        return at_widths(order, layers, resolved(widths or {}, counts_of(units), "scope: widths"))
    if scope in CLASSES:
        if classes is None:
            raise ValueError(f"the scope {scope} needs a table with {', '.join(CLASSES[scope])}")
        layers = _classes_of(units, classes, CLASSES[scope])
    return uniform(order, layers)


# Columns of the table of classes, by the scope that needs one; the last is the class.
CLASSES = {"stage": ("layer", "stage"), "isomorphic": (*CHANNEL, "structure")}


def _classes_of(units, classes, columns):
    """{unit: class of its first channel}."""
    first = units.drop_duplicates("unit")
    found = first.merge(classes, on=list(columns[:-1]), how="left", validate="many_to_one")[columns[-1]]
    return dict(zip(first["unit"], found, strict=True))


def of_scores(
    table: pandas.DataFrame,
    units: pandas.DataFrame,
    normalise: str = "none",
    scope: str = "global",
    unit_score: str = "sum",
    classes: pandas.DataFrame | None = None,
    widths: Mapping[str, int] | None = None,
    per: str | None = None,
) -> np.ndarray:
    """The order of units by a table of scores (layer, channel, score), normalised and compared as the settings say."""
    by_unit = scores(normalised(table, "score", normalise), units, "score", unit_score)
    if per:
        by_unit = per_cost(by_unit, units, per)
    return scoped(by_score(by_unit), units, scope, classes, widths)


def per_cost(scores: pandas.Series, units: pandas.DataFrame, per: str) -> pandas.Series:
    """Scores by unit id, each divided by the multiply-adds or parameters (`per`) that its unit saves alone.

    Raises Refused for a unit that saves none, or that the table of units lacks.
    """
    saved = units.groupby("unit")[per].first().reindex(scores.index)
    if saved.isna().any():
        raise Refused(
            f"unit {int(saved.index[saved.isna()][0])} has a score, but the table of units lacks it, so that what it "
            "saves is not known; score the units of this table"
        )
    if (saved <= 0).any():
        unit = int(saved.index[saved <= 0][0])
        layer, channel = units.loc[units["unit"] == unit, CHANNEL].iloc[0]
        raise Refused(
            f"unit {unit} (channel {channel} of layer {layer}) saves no {per}, so that no score per {per} can be "
            "given; rank without per, or by other units"
        )
    return scores / saved


def at_widths(order: Sequence[int] | np.ndarray, layers: Mapping[int, str], kept: Mapping[str, int]) -> np.ndarray:
    """The ranking's order within layers, such that once all but `kept` units are removed, every layer keeps its own.

    `layers` is {unit: layer}, `kept` {layer: count of units}; layers without a count keep all. Up to there all layers
    have lost one share of what they lose, and beyond it one share of what they kept, each to within half a unit.
    """
    counts, before = Counter(map(layers.__getitem__, order)), Counter()
    places = {}
    for unit in order:
        layer = layers[unit]
        left = kept.get(layer, counts[layer])
        places[unit] = _place(before[layer], counts[layer] - left, left)
        before[layer] += 1
    # The sort is stable: ties keep the ranking's order.
    return np.array(sorted(order, key=places.__getitem__))


def _place(position, lost, left):
    """The place of the unit at a position of its layer, below 1 for the `lost` first units, and above it for the rest.

    As in `uniform`, a unit counts at the middle of its own share.
    """
    if position < lost:
        return Fraction(2 * position + 1, 2 * lost)
    return 1 + Fraction(2 * (position - lost) + 1, 2 * left)


# ---- controls ------------------------------------------------------------------------------------------------
# They separate the two merits of a ranking: the share of units that it removes of each layer, and their choice.


def uniform(order: Sequence[int] | np.ndarray, layers: Mapping[int, str]) -> np.ndarray:
    """The ranking's order within layers, at equal shares of every layer.

    `layers` is {unit: layer}; at any level all layers lose the same share of their units, to within one unit.
    """
    shares = _shares_within(order, layers)
    # The sort is stable: ties keep the ranking's order.
    return np.array(sorted(order, key=shares.__getitem__))


def _shares_within(order, layers):
    """{unit: share of its layer's units at which it is removed}.

    A unit counts at the middle of its own share, so that layers of all widths begin and end together.
    """
    widths, before = Counter(map(layers.__getitem__, order)), Counter()
    shares = {}
    for unit in order:
        layer = layers[unit]
        shares[unit] = Fraction(2 * before[layer] + 1, 2 * widths[layer])
        before[layer] += 1
    return shares


def shuffled(order: Sequence[int] | np.ndarray, layers: Mapping[int, str], seed: int) -> np.ndarray:
    """Random units within layers, with the ranking's count of each layer at every level (Su et al., 2020)."""
    generator = seeds.numpy_generator(seed, "shuffled within layers")
    by_layer = {}
    for unit in sorted(order):
        by_layer.setdefault(layers[unit], []).append(unit)
    drawn = {layer: iter(generator.permutation(units)) for layer, units in by_layer.items()}
    return np.array([next(drawn[layers[unit]]) for unit in order])


def layers_of(ranking: pandas.DataFrame) -> dict[int, str]:
    """{unit: layer} of a table of units or a ranking; a unit of several layers is counted in the first of them."""
    return dict(zip(ranking["unit"][::-1], ranking["layer"][::-1], strict=True))


def counts_of(units: pandas.DataFrame) -> dict[str, int]:
    """{layer: count of its units} of a table of units, in network order; a unit is counted in the first of its layers.

    Layers whose units are all counted in others are left out.
    """
    return dict(Counter(units.drop_duplicates("unit")["layer"]))


# ---- tables --------------------------------------------------------------------------------------------------


def scores(
    statistics: pandas.DataFrame, units: pandas.DataFrame, statistic: str, unit_score: str = "sum"
) -> pandas.Series:
    """A Series of one score for each unit id: the sum, mean or max over its channels.

    The tables are as in statistics/*.csv and units.csv. Scores of channels that cannot be removed are left out. All
    others must have exactly one row, with an empty value for channels without a score, as gates have no relevance. A
    unit is then scored by its other channels, and is left out if it has none. Raises Refused for any other table.
    """
    _refuse_incomplete(statistics, units)
    by_channel = units[[*CHANNEL, "unit"]].merge(
        statistics[[*CHANNEL, statistic]], on=CHANNEL, how="left", validate="one_to_one"
    )
    scored = by_channel[by_channel[statistic].notna()]
    return scored.groupby("unit", sort=True)[statistic].agg(unit_score)


def _refuse_incomplete(statistics, units):
    """Refuse a table with two rows of one channel, or without a channel that can be removed."""
    repeated = statistics[statistics.duplicated(CHANNEL, keep=False)]
    if len(repeated):
        raise Refused(f"a channel has two scores: {_channels(repeated)[0]}")
    removable = _channels(units)
    missing = sorted(set(removable) - set(_channels(statistics)))
    if missing:
        layer, channel = missing[0]
        raise Refused(
            f"{len(removable) - len(missing)} channels have scores, but {len(removable)} can be removed; "
            f"the first without is channel {channel} of layer {layer}"
        )


def _channels(table):
    """(layer, channel) of every row."""
    return list(table[CHANNEL].itertuples(index=False, name=None))


def table(order: Iterable[int] | np.ndarray, units: pandas.DataFrame, partial: bool = False) -> pandas.DataFrame:
    """The ranking as a table (unit, layer, channel) in the order of unit ids.

    A `partial` order may leave out units that have no score: they come last and have a 1 in the column `stays`, which
    a ranking of all units does not have. Raises Refused for an order that is not a permutation.
    """
    order, ids = np.asarray(order), set(units["unit"])
    expected = ids
    if partial:
        expected = ids.intersection(order)
    if sorted(order) != sorted(expected):
        raise Refused(f"the ranking is not a permutation of the {len(ids)} units")
    places = {unit: place for place, unit in enumerate(order)}
    rows = units[["unit", *CHANNEL]].assign(place=units["unit"].map(places))
    if len(order) < len(ids):
        rows = rows.assign(stays=rows["place"].isna().astype(int), place=rows["place"].fillna(len(order)))
    return rows.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def order(ranking: pandas.DataFrame) -> np.ndarray:
    """Unit ids of a ranking table in their order, without the units that it does not rank."""
    if "stays" in ranking:
        ranking = ranking[ranking["stays"] == 0]
    return ranking["unit"].drop_duplicates().to_numpy()
