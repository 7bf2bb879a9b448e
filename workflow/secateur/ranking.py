"""Rankings: the order in which units are removed. The first is removed first, and every ranking is a permutation."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
import pandas

from secateur import Refused
from secateur.study import seeds


def by_score(scores: Sequence[float] | np.ndarray | pandas.Series) -> np.ndarray:
    """The order of units by rising score; equal scores keep the network's order.

    `scores` is (units,), or a Series by unit, as `scores` gives it, that leaves out units without a score.
    """
    units, values = np.arange(len(scores)), np.asarray(scores, dtype=np.float64)
    if isinstance(scores, pandas.Series):
        units = scores.index.to_numpy()
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise Refused(f"the score of unit {units[bad]} is {values[bad]}; every unit needs a finite score")
    return units[np.argsort(values, kind="stable")]


def combined(relevance: Sequence[int] | np.ndarray, weight: Sequence[int] | np.ndarray) -> np.ndarray:
    """Two rankings taken in turns, relevance first; what came already is skipped (thesis, section 4.3)."""
    _same_units(relevance, weight)
    return _without_repeats(itertools.chain.from_iterable(zip(relevance, weight, strict=True)))


def mixed(
    weight: Sequence[int] | np.ndarray, relevance: Sequence[int] | np.ndarray, delta: str | float | Fraction
) -> np.ndarray:
    """Two rankings taken in proportion (1 - delta) : delta, in exact fractions (thesis, section 4.4).

    Each step adds 1 - delta to the weight list's account and delta to the relevance list's; an account that
    reaches 1 pays for that list's next unit, weight first. `delta` is text, a Fraction or an integer; a float is
    taken as its shortest decimal. When one list is at its end, the other goes on alone.
    """
    delta = Fraction(str(delta))
    if not 0 <= delta <= 1:
        raise Refused(f"delta must be within 0 and 1, got {delta}")
    _same_units(relevance, weight)
    return _without_repeats(_turns(list(weight), list(relevance), delta))


def at_random(units: int | Sequence[int] | np.ndarray, seed: int) -> np.ndarray:
    """A random order of `units` (a number, or their names)."""
    return seeds.numpy_generator(seed, "random ranking").permutation(units)


def _turns(weight, relevance, delta):
    lists, shares, accounts, taken = (
        (weight, relevance),
        (1 - delta, delta),
        [Fraction(0), Fraction(0)],
        [0, 0],
    )
    while taken[0] < len(weight) and taken[1] < len(relevance):
        for side in (0, 1):
            accounts[side] += shares[side]
            if accounts[side] >= 1 and taken[side] < len(lists[side]):
                accounts[side] -= 1
                yield lists[side][taken[side]]
                taken[side] += 1
    yield from weight[taken[0] :]
    yield from relevance[taken[1] :]


def of_both(first: Iterable[int], second: Iterable[int]) -> tuple[np.ndarray, ...]:
    """Two rankings without the units that either leaves out: a unit without a score in one of them stays in both."""
    both = {*first} & {*second}
    return tuple(np.array([unit for unit in order if unit in both]) for order in (first, second))


def _without_repeats(units):
    return np.array(list(dict.fromkeys(units)))


def _same_units(first, second):
    if sorted(first) != sorted(second):
        raise Refused(f"the two rankings are not of the same units: {len(first)} and {len(second)} of them")


# ---- what scores are compared with ----------------------------------------------------------------------------

# What a layer's scores are divided by, so that layers can be compared; absolute, because some scores are negative.
NORMALISATIONS = {
    "none": lambda scores: 1.0,
    "layer_share": lambda scores: np.abs(scores).sum(),
    "layer_relative": lambda scores: np.abs(scores).mean(),
    "layer_max": lambda scores: np.abs(scores).max(),
    "layer_l2": lambda scores: np.linalg.norm(scores),
}
SCOPES = ("global", "layer", "stage")


def normalised(statistics: pandas.DataFrame, statistic: str, how: str) -> pandas.DataFrame:
    """The table with one of its columns divided, layer by layer; a layer of zeros stays one."""
    divisor = statistics.groupby("layer")[statistic].transform(lambda scores: NORMALISATIONS[how](scores.to_numpy()))
    return statistics.assign(**{statistic: statistics[statistic] / divisor.where(divisor != 0, 1.0)})


def scoped(
    order: np.ndarray, units: pandas.DataFrame, scope: str = "global", stages: pandas.DataFrame | None = None
) -> np.ndarray:
    """The order with units compared within a `scope` only: all of them, a layer's, or those of a stage.

    Beyond the scope every layer, or every stage of the table layer, stage, is thinned alike.
    """
    if scope == "global":
        return order
    layers = layers_of(units)
    if scope == "stage":
        stage = dict(zip(stages["layer"], stages["stage"], strict=True))
        layers = {unit: stage[layer] for unit, layer in layers.items()}
    return uniform(order, layers)


def of_scores(
    table: pandas.DataFrame,
    units: pandas.DataFrame,
    normalise: str = "none",
    scope: str = "global",
    unit_score: str = "sum",
    stages: pandas.DataFrame | None = None,
) -> np.ndarray:
    """The order of units by a table layer, channel, score, made comparable between layers as the settings say."""
    order = by_score(scores(normalised(table, "score", normalise), units, "score", unit_score))
    return scoped(order, units, scope, stages)


# ---- controls ------------------------------------------------------------------------------------------------
# Where a ranking's merit lies: in how many channels it takes of each layer, or in which.


def uniform(order: Sequence[int] | np.ndarray, layers: Mapping[int, str]) -> np.ndarray:
    """The ranking's order within layers, every layer thinned alike: a unit's place is its share of its layer's units.

    `layers` names the layer of each unit, {unit: layer}; at any level all layers lose the same share, to a unit.
    """
    places = _places_within(order, layers)
    widths = Counter(layers[unit] for unit in order)
    # The middle of a unit's share, so that layers of all widths begin and end together; ties keep the ranking's order.
    shares = [Fraction(2 * places[unit] + 1, 2 * widths[layers[unit]]) for unit in order]
    return np.array([order[place] for place in sorted(range(len(order)), key=shares.__getitem__)])


def shuffled(order: Sequence[int] | np.ndarray, layers: Mapping[int, str], seed: int) -> np.ndarray:
    """Random units within layers, as many of each layer at every level as the ranking takes (Su et al., 2020)."""
    generator = seeds.numpy_generator(seed, "shuffled within layers")
    by_layer = {}
    for unit in sorted(order):
        by_layer.setdefault(layers[unit], []).append(unit)
    drawn = {layer: iter(generator.permutation(units)) for layer, units in by_layer.items()}
    return np.array([next(drawn[layers[unit]]) for unit in order])


def layers_of(ranking: pandas.DataFrame) -> dict[int, str]:
    """{unit: layer} of a table of units or of a ranking; a unit of several layers is filed under the first."""
    return dict(zip(ranking["unit"][::-1], ranking["layer"][::-1], strict=True))


def _places_within(order, layers):
    counts, places = Counter(), {}
    for unit in order:
        places[unit] = counts[layers[unit]]
        counts[layers[unit]] += 1
    return places


# ---- tables --------------------------------------------------------------------------------------------------


def scores(
    statistics: pandas.DataFrame, units: pandas.DataFrame, statistic: str, unit_score: str = "sum"
) -> pandas.Series:
    """A Series of one score for each unit: the sum, mean or max over its channels. Tables as in statistics/*.csv and
    units.csv.

    Scores of channels that cannot be removed are left out. All others must have exactly one row; it is empty for those
    that have no score, as gates have no relevance. A unit is scored by its other channels then, and is left out if it
    has none. Raises Refused for anything else.
    """
    keys = ["layer", "channel"]
    given, wanted = ([tuple(row) for row in table[keys].itertuples(index=False)] for table in (statistics, units))
    if len(set(given)) != len(given):
        raise Refused(f"a channel has two scores: {next(k for k in given if given.count(k) > 1)}")
    missing = sorted(set(wanted) - set(given))
    if missing:
        raise Refused(
            f"{len(wanted) - len(missing)} channels have scores, but {len(wanted)} can be removed; "
            f"the first without is channel {missing[0][1]} of layer {missing[0][0]}"
        )
    by_channel = units[[*keys, "unit"]].merge(
        statistics[[*keys, statistic]], on=keys, how="left", validate="one_to_one"
    )
    known = by_channel[by_channel[statistic].notna()]
    return known.groupby("unit", sort=True)[statistic].agg(unit_score)


def table(order: Iterable[int] | np.ndarray, units: pandas.DataFrame, partial: bool = False) -> pandas.DataFrame:
    """The ranking as a table unit, layer, channel from an order of unit ids.

    A `partial` order may leave out units, those that have no score: they come last and have a 1 in the column `stays`,
    which a ranking of all units lacks.
    """
    order, known = np.asarray(order), set(units["unit"])
    given = known.intersection(order) if partial else known
    if sorted(order) != sorted(given):
        raise Refused(f"the ranking is no permutation of the {len(known)} units")
    place = {unit: position for position, unit in enumerate(order)}
    rows = units[["unit", "layer", "channel"]].assign(place=units["unit"].map(place))
    if len(order) < len(known):
        rows = rows.assign(stays=rows["place"].isna().astype(int), place=rows["place"].fillna(len(order)))
    return rows.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def order(ranking: pandas.DataFrame) -> np.ndarray:
    """The order of the units of a ranking table that are ranked."""
    ranked = ranking[ranking["stays"] == 0] if "stays" in ranking else ranking
    return ranked["unit"].drop_duplicates().to_numpy()
