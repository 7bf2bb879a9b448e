"""One threshold over the units of all layers, under a budget of the whole network and a floor of each layer."""

import bisect
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from secateur import Refused, ranking
from secateur.study import levels
from secateur.units.finding import Units

# Counts beside the last one that are tried first: the order of units changes little from step to step.
NEAR = 4


class Budget:
    """The units that a level removes by their logits, as `pruning.plan` does, fast enough for every training step.

    `terms` are those of the study's evaluation; Refused for `round_to`, by which widths are no counts of one threshold.
    """

    def __init__(self, units: Units, level: float | Fraction, terms: levels.Terms) -> None:
        if terms.round_to != 1:
            raise Refused(f"one threshold over all layers cannot round widths to {terms.round_to}; take round_to: 1")
        self.level, self.terms, self.coupled = levels.fraction(level), terms, units.coupled
        self.layers = [Counter(layer for layer, _ in unit.channels) for unit in units.units]
        self.groups = np.array([units.coupled.outputs[layer][index] for layer, index in _firsts(units)])
        self.widths = sum(self.layers, Counter())
        self.floors = {layer: levels.floor(terms.keep_at_least, width) for layer, width in self.widths.items()}
        self.count, self.dense = 0, self._cost(np.array([], int))

    def removed(self, logits: Sequence[float] | np.ndarray, share: Fraction = Fraction(1)) -> np.ndarray:
        """(units,) bool from logits (units,): True for units that `share` of the level removes, the smallest first.

        Raises Refused where the budget cannot be met with the floors.
        """
        order = self._removable(ranking.by_score(logits))
        removed = np.zeros(len(self.groups), bool)
        removed[order[: self._counted(order, self.level * share)]] = True
        return removed

    def _removable(self, order):
        """The units that can be removed one after the other without breaking a floor."""
        if not self.terms.keep_at_least:
            return order
        spare = {layer: width - self.floors[layer] for layer, width in self.widths.items()}
        removable = []
        for unit in order.tolist():
            lost = self.layers[unit]
            if all(spare[layer] >= count for layer, count in lost.items()):
                removable.append(unit)
                for layer, count in lost.items():
                    spare[layer] -= count
        return np.array(removable, int)

    def _counted(self, order, level):
        """The fewest units, in order, whose removal saves the level."""
        if self.terms.budget == "units":
            wanted, most = levels.removed_at(level, len(self.groups)), len(order)
        else:
            wanted, most = level * self.dense, self.dense - self._cost(order)
        if wanted > most:
            raise Refused(
                f"level {float(level):.4g} asks for {float(wanted):,.0f} {self.terms.budget}, but with keep_at_least "
                f"{self.terms.keep_at_least} no more than {most:,} can be removed; lower the level or the floor"
            )
        if self.terms.budget == "units":
            return wanted

        def saved(count: int) -> int:
            return self.dense - self._cost(order[:count])

        first, last = max(0, self.count - NEAR), min(len(order), self.count + NEAR)
        if saved(first) >= wanted:
            first, last = 0, first
        elif saved(last) < wanted:
            first, last = last, len(order)
        self.count = bisect.bisect_left(range(last), wanted, lo=first, key=saved)
        return self.count

    def _cost(self, units):
        """The parameters or multiply-adds that are left without some units."""
        removed = np.zeros(len(self.coupled.sizes), bool)
        removed[self.groups[units]] = True
        if self.terms.budget == "macs":
            return self.coupled.counter.macs(removed)
        return self.coupled.counter.left(removed).parameters


def _firsts(units):
    """The first channel of each unit."""
    return [unit.channels[0] for unit in units.units]
