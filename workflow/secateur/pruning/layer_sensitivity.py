"""Sensitivity: losses of a network without units of one group of layers, and allocations by it.

Each group loses its own units in steps, in the order of a ranking, while all others stay whole. A budget is then shared
out between groups so that the sum of their losses is smallest.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas
import torch
from torch import nn

from secateur import Refused
from secateur import ranking as rankings
from secateur.analysis.sensitivity import COLUMNS, WHOLE
from secateur.pruning import allocation, groups, layer_groups, plans, reconstruction, sweep
from secateur.pruning.treatments import Treatment
from secateur.study import kinds, levels, vocabulary
from secateur.units import coupling, finding
from secateur.units.coupling import Coupling

# Halvings of the range of a budget in which the sum of savings of groups is searched that saves as much in fact.
HALVINGS = 13


def sensitivity(
    model: nn.Module,
    ranking: pandas.DataFrame,
    images: torch.Tensor,
    labels: torch.Tensor,
    steps: int = 10,
    calibration: torch.Tensor | None = None,
) -> pandas.DataFrame:
    """Losses of a network without units of one group of layers at a time: a row for each group and step.

    `images` (N, C, H, W) and `labels` (N,) measure, and are not those that are reported. With `calibration` images
    (M, C, H, W), every network is `reconstructed` by them before it is measured. Columns: group, layers, its count of
    units, how many are removed, parameters and multiply-adds that are left, images, mean loss, accuracy; the first row
    is the whole network. Raises Refused as `curves` does.
    """
    treatments = {}
    if calibration is not None:
        treatments[kinds.RECONSTRUCTED.name] = _reconstruction(model, calibration)
    network = sweep.Network(
        model, lambda: [(images, labels)], labels.numpy(), images[:2], str(images.dtype)[6:], None, treatments
    )
    recovery = next(iter(treatments), kinds.NONE.name)
    return pandas.DataFrame(curves(network, ranking, steps, recovery), columns=list(COLUMNS))


def _reconstruction(model, calibration):
    """The Treatment that refits a smaller network by calibration images, with the settings of `reconstructed`."""
    dense = reconstruction.Dense(coupling.followed(model, calibration[:1]), calibration, "patches")

    def apply(smaller: nn.Module, channels: Mapping[str, Sequence[int]]) -> None:
        if channels:
            removed = groups.removed_by(dense.coupled, channels)
            reconstruction.refit(smaller, dense, removed, "online", reconstruction.RIDGE)

    return Treatment({}, apply)


def curves(
    network: sweep.Network, ranking: pandas.DataFrame, steps: int, recovery: str = kinds.NONE.name
) -> Iterator[dict[str, Any]]:
    """The rows of `sensitivity`, one by one, of a network prepared with its images and recoveries.

    A group's last unit stays: without it the network would be another one. Raises Refused for fewer than two groups,
    between which nothing can be shared out.
    """
    several = of_several(ranking)
    yield _row(network, WHOLE, (), 0, 0, {}, recovery)
    for group in several:
        for count in counts(len(group.units), steps):
            channels = plans.channels_of(ranking, group.units[:count])
            yield _row(network, group.name, group.layers, len(group.units), count, channels, recovery)


def of_several(ranking: pandas.DataFrame) -> list[layer_groups.LayerGroup]:
    """The groups of layers of a ranking; Refused for a single one."""
    found = layer_groups.of_ranking(ranking)
    if len(found) < 2:
        raise Refused(
            f"the ranking has one group of layers ({found[0].name}), and a budget can only be shared out between "
            "several; prune by the ranking itself"
        )
    return found


def counts(units: int, steps: int) -> list[int]:
    """The counts of units that are removed of a group, in so many steps, without its last one."""
    shares = (levels.removed_at(f"{step}/{steps}", units) for step in range(1, steps + 1))
    return sorted({min(count, units - 1) for count in shares} - {0})


def evaluations(sizes: Sequence[int], steps: int) -> int:
    """The count of networks that are measured for groups of so many units, the whole one among them."""
    return 1 + sum(len(counts(units, steps)) for units in sizes)


def _row(network, name, layers, units, count, channels, recovery):
    measured, _, _ = network.evaluated(channels, recovery)
    left = network.coupled.counter.left(groups.removed_by(network.coupled, channels))
    values = (name, " ".join(layers), units, count, left.parameters, left.macs, len(measured.right))
    return dict(zip(COLUMNS, (*values, measured.loss, measured.accuracy), strict=True))


# ---- allocation ----------------------------------------------------------------------------------------------


def allocated(
    measured: pandas.DataFrame,
    ranking: pandas.DataFrame,
    wanted: Sequence[float],
    terms: levels.Terms = levels.PLAIN,
    coupled: Coupling | None = None,
) -> pandas.DataFrame:
    """The ranking with its budget shared out between groups of layers by the table `measured` of `sensitivity`.

    At each of the `wanted` levels, shares of what the budget of the `levels.Terms` counts, the counts of units that
    leave each group are those with the smallest sum of losses that save as much and little more; no group keeps a unit
    that a lower level removed, and damage between measured steps is on a straight line. Of parameters and multiply-adds
    the sum is the smallest where no group reads another, and near it where some do, whose savings overlap. Every layer
    keeps its floor, and at least one unit of each group. Within a group the order is the ranking's. Parameters and
    multiply-adds need the Coupling of the network. Raises Refused for measurements of other groups, for a level that no
    allocation meets, for `round_to` above 1, and for a floor of a layer that several groups share.
    """
    groups = of_several(ranking)
    sharing = _Sharing(groups, _damages(measured, groups), ranking, terms, coupled)
    before = dict.fromkeys(sharing.damages, 0)
    steps = []
    for level in sorted(level for level in wanted if level > 0):
        before = sharing.at(level, before)
        steps.append(before)
    return rankings.table(layer_groups.nested(groups, steps, ranking), ranking, partial=True)


def refuse_unmet(units: finding.Units, level: float, terms: levels.Terms) -> list[int]:
    """Refuse units of one group of layers, and a level that no allocation meets, before anything is measured.

    A floor of layers that several groups share is refused too: no group knows what the others leave of it. Returns the
    counts of units of all groups.
    """
    ranking = rankings.table(range(len(units.units)), finding.table(units))
    groups = of_several(ranking)
    sizes = [len(group.units) for group in groups]
    _Sharing(groups, map(np.zeros, sizes), ranking, terms, units.coupled).refuse(level)
    return sizes


def _refuse_terms(groups, terms):
    """Refuse terms that no group can meet without the others."""
    if terms.round_to > 1:
        raise Refused(
            f"levels are shared out unit by unit, but round_to is {terms.round_to}, which would round every layer's "
            "share away; set it to 1"
        )
    shared = [
        layer for layer, count in Counter(layer for group in groups for layer in group.layers).items() if count > 1
    ]
    if shared and terms.keep_at_least:
        raise Refused(
            f"several groups of units share the layer {shared[0]}, so that keep_at_least {terms.keep_at_least} of it "
            "cannot be kept by sharing levels out between groups; set the first floor of evaluation.keep_at_least to 0"
        )


class _Sharing:
    """The damages and savings of every count of units of every group, and the allocations by them."""

    def __init__(self, groups, damages, ranking, terms, coupled):
        _refuse_terms(groups, terms)
        self.groups, self.budget = groups, terms.budget
        self.whole = ranking["unit"].nunique()
        if terms.budget != "units":
            self.coupled = plans.needed(coupled, terms.budget)
            self.group_of = plans.groups_of_units(ranking, rankings.order(ranking), self.coupled)
            self.whole = plans.cost(self.coupled, np.zeros(len(self.coupled.sizes), bool), terms.budget)
        widths = ranking["layer"].value_counts()
        self.damages = {}
        for group, of_group in zip(groups, damages, strict=True):
            most = min(widths[layer] - levels.floor(terms.keep_at_least, widths[layer]) for layer in group.layers)
            self.damages[group.name] = of_group[: most + 1]

    @functools.cached_property
    def savings(self) -> dict[str, np.ndarray]:
        """{group: (counts,) of what each count of its units saves alone}."""
        savings = {}
        for group in self.groups:
            counts = range(len(self.damages[group.name]))
            savings[group.name] = np.array([self._without(group.units[:count]) for count in counts])
        return savings

    def _without(self, units):
        """The units, parameters or multiply-adds that the network loses with these units."""
        if self.budget == "units":
            return len(units)
        removed = np.zeros(len(self.coupled.sizes), bool)
        removed[[self.group_of[unit] for unit in units]] = True
        return self.whole - plans.cost(self.coupled, removed, self.budget)

    def _saved(self, counts):
        """The same of counts of units of all groups."""
        return self._without([unit for group in self.groups for unit in group.units[: counts[group.name]]])

    def _further(self, name, before):
        """(counts,) by which each count of a group's units from that `before` saves more than it."""
        savings = self.savings[name][before[name] :]
        return savings - savings[0]

    def _wanted(self, level):
        """The units, parameters or multiply-adds that a level asks for."""
        if self.budget == "units":
            return levels.removed_at(level, self.whole)
        return levels.fraction(level) * self.whole

    def refuse(self, level: float) -> dict[str, int]:
        """{group: the most units it can lose}; Refused where all of them together do not meet a level."""
        most = {name: len(damages) - 1 for name, damages in self.damages.items()}
        if self._saved(most) < self._wanted(level):
            raise Refused(
                f"level {level} is more than any allocation saves: without all units but one of every group of layers, "
                f"or but the floor, {100 * self._saved(most) / self.whole:.3g} % of the "
                f"{vocabulary.BUDGETS[self.budget]} leave; lower the level"
            )
        return most

    def at(self, level: float, before: Mapping[str, int]) -> dict[str, int]:
        """{group: count of units}, at least those `before`, with the smallest sum of damages that saves a level.

        Savings of two groups overlap where one reads the other, so that their sum has to be larger than the level: by
        how much is searched, and what a choice saves in fact is counted.
        """
        best, wanted = self.refuse(level), self._wanted(level)
        if self.budget == "units":
            return self._chosen(wanted - self._saved(before), before, more=0)
        # A plan takes the fewest units that meet a level: an allocation that saves much more would be cut short.
        largest = max(float(np.diff(savings).max(initial=0)) for savings in self.savings.values())
        low, high = 0.0, float(sum(self._further(name, before)[-1] for name in self.damages))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            try:
                found = self._chosen(middle, before, more=2 * largest)
            except Refused:
                # Rounded down, no sum of savings is so large.
                low = middle
                continue
            if self._saved(found) >= wanted:
                best, high = found, middle
            else:
                low = middle
        return self._without_excess(best, before, wanted)

    def _without_excess(self, counts, before, wanted):
        """Counts from which units are given back while the level is met, the one first whose loss is largest.

        The sum of savings that was searched is larger than needed where only some of the chosen groups overlap.
        """
        counts = dict(counts)
        while True:
            gains = {}
            for name, count in counts.items():
                if count > before[name]:
                    gain = self.damages[name][count] - self.damages[name][count - 1]
                    if gain > 0 and self._saved(counts | {name: count - 1}) >= wanted:
                        gains[name] = gain
            if not gains:
                return counts
            counts[max(gains, key=gains.__getitem__)] -= 1

    def _chosen(self, wanted, before, more):
        """{group: count of units} whose further savings, group by group, have a sum of `wanted`."""
        savings = [self._further(name, before) for name in self.damages]
        damages = [of_group[before[name] :] for name, of_group in self.damages.items()]
        options = allocation.chosen(savings, damages, wanted, more)
        return {name: before[name] + option for name, option in zip(self.damages, options, strict=True)}


def _damages(measured, groups):
    """[(counts,) the loss beyond that of the whole network without so many units] of the groups."""
    whole = measured.loc[measured["group"] == WHOLE, "loss"]
    names = [name for name in dict.fromkeys(measured["group"]) if name != WHOLE]
    # A group of one unit loses none.
    several = [group.name for group in groups if len(group.units) > 1]
    if len(whole) != 1 or names != several:
        raise Refused(
            "the curves are of other groups of layers than the ranking: measure the sensitivity of this very network"
        )
    damages = []
    for group in groups:
        if group.name not in several:
            damages.append(np.zeros(1))
            continue
        rows = measured[measured["group"] == group.name]
        if {*rows["units"]} != {len(group.units)}:
            raise Refused(
                f"the curves have {rows['units'].iloc[0]} units of {group.name}, and the ranking {len(group.units)}: "
                "measure the sensitivity of this very network"
            )
        counts = np.arange(rows["removed"].max() + 1)
        steps = [0, *rows["removed"]]
        damages.append(np.interp(counts, steps, [0.0, *(rows["loss"] - whole.iloc[0])]))
    return damages
