"""The agreement of rankings of one network: of what two of them remove first, and of their whole orders."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas

from secateur.artifacts import places, tables
from secateur.study import levels, vocabulary

# What is measured of two orders of units: a share or a correlation; NaN where it is not defined.
Measure = Callable[["Order", "Order"], float]


class Order:
    """The units of a ranking in the order of their removal, and the count of all units, those without a score too.

    `layers` is {unit: its layer, the first of several} of all units.
    """

    def __init__(self, units: Iterable[int], count: int, layers: Mapping[int, str] | None = None) -> None:
        self.units, self.count, self.layers = list(units), count, layers or {}


def _cut(level, first, second):
    """The count of units that a level removes; 0 where one of two orders ranks fewer."""
    count = levels.removed_at(level, first.count)
    return count if count <= min(len(first.units), len(second.units)) else 0


def shared(level: float) -> Measure:
    """The share of the units that the first order removes at a level which the second removes there as well.

    Both are cut at the same count, without floors. NaN where that count is 0, or one of them ranks fewer units.
    """

    def measure(first: Order, second: Order) -> float:
        count = _cut(level, first, second)
        if not count:
            return float("nan")
        return len({*first.units[:count]} & {*second.units[:count]}) / count

    return measure


def by_layers(level: float) -> Measure:
    """The share that two orders would have in common by chance, each with as many units of every layer as it removes.

    With a and b of a layer's n units among the first k, that is the sum of a b / n over layers, over k: the mean of
    the hypergeometric distribution. NaN as of `shared`.
    """

    def measure(first: Order, second: Order) -> float:
        count = _cut(level, first, second)
        if not count:
            return float("nan")
        sizes = collections.Counter(first.layers.values())
        removed = [collections.Counter(map(order.layers.get, order.units[:count])) for order in (first, second)]
        expected = [removed[0][layer] * removed[1][layer] / size for layer, size in sizes.items()]
        return sum(expected) / count

    return measure


def spearman(first: Order, second: Order) -> float:
    """Spearman's rank correlation over the units that both rank; NaN of fewer than two.

    Ranks have no ties, so it is 1 - 6 sum(d^2) / (n (n^2 - 1)) with the differences d of the n units' ranks.
    """
    both = {*first.units} & {*second.units}
    n = len(both)
    if n < 2:
        return float("nan")
    places_of = {}
    for place, unit in enumerate(filter(both.__contains__, first.units)):
        places_of[unit] = place
    differences = [place - places_of[unit] for place, unit in enumerate(filter(both.__contains__, second.units))]
    return 1 - 6 * float(np.square(differences).sum()) / (n * (n**2 - 1))


class Rankings:
    """The rankings of a study's networks, each read when it is first asked for.

    `order` gives the units of a ranking table in the order of their removal, as `ranking.order` does.
    """

    def __init__(self, paths: Iterable[Path | str], order: Callable[[pandas.DataFrame], np.ndarray]) -> None:
        self._in_order = order
        self._paths, self._draws, self._orders = {}, {}, {}
        for path in paths:
            # The name of a criterion has points of its own.
            name, seed = Path(path).name.removesuffix(".csv"), places.seed_of(path)
            self._paths[name, seed] = path
            draws = self._draws.setdefault(vocabulary.without_draw(name), {}).setdefault(seed, [])
            draws.append(name)

    def has(self, criterion: str) -> bool:
        """Tell whether there are rankings by a criterion, or by draws of it."""
        return criterion in self._draws

    def mean(self, first: str, second: str, measure: Measure) -> dict[int, float]:
        """{seed: a measure of two criteria}, the mean over their draws, of all networks that both rank."""
        found = {}
        for seed in sorted(self._draws[first].keys() & self._draws[second].keys()):
            values = []
            for one in self._draws[first][seed]:
                for other in self._draws[second][seed]:
                    values.append(measure(self._order(one, seed), self._order(other, seed)))
            found[seed] = float(np.mean(values))
        return found

    def _order(self, name, seed):
        if (name, seed) not in self._orders:
            table = tables.read(self._paths[name, seed], "unit", "layer")
            layers = table.drop_duplicates("unit").set_index("unit")["layer"].to_dict()
            self._orders[name, seed] = Order(self._in_order(table).tolist(), len(layers), layers)
        return self._orders[name, seed]
