"""Paired comparisons of two criteria: what is different, how sure that is, and how sure among many."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from secateur.analysis import intervals
from secateur.analysis.intervals import OverImages, OverSeeds, Student
from secateur.artifacts.tables import first_floor
from secateur.study import seeds

if TYPE_CHECKING:
    import pandas

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be told"
# An accuracy within so much of chance is chance: what is left of such a network says nothing of its ranking.
NEAR_CHANCE = 0.02
# So many draws are expected beyond each end of the narrowest tail that is looked at.
TAIL = 50
# Levels are read from text and compared so closely.
_DIGITS = 9


class MissingError(ValueError):
    """A comparison asks for a criterion, a level or a split that the study does not have."""


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a comparison: a criterion, or one chosen for each (level, seed), with the name that says so.

    A name without its draw (`random`) stands for the mean of its draws.
    """

    label: str
    chosen: tuple[tuple[tuple[float, int], str], ...] = ()

    def criterion(self, level: float, seed: int) -> str:
        """The criterion at a level of the network with this training seed."""
        return dict(self.chosen)[level, seed] if self.chosen else self.label


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Test accuracy of `first` minus that of `second`, averaged over `levels`.

    With a margin the question is whether the two are alike to within it, else whether the first has more.
    """

    first: Side
    second: Side
    levels: tuple[float, ...]
    margin: float = 0.0


@dataclasses.dataclass(frozen=True)
class Shift:
    """How much higher the best of `deltas` is at the first of two levels than at the second, on the choosing split."""

    reading: str
    deltas: tuple[str, ...]
    levels: tuple[float, ...]
    split: str
    margin: float = 0.0


class Results:
    """The evaluations of a study and, of one network, which images it gets right: {(split, criterion): bools}.

    Only the setting of `keep_at_least` that the table names first counts. Levels are rounded to nine digits.
    """

    def __init__(self, evaluations: pandas.DataFrame, bits: Mapping[tuple[str, str], np.ndarray]) -> None:
        table = evaluations.assign(level=evaluations["level"].round(_DIGITS), empty=evaluations["empty"].fillna(""))
        table = table if "split" in table else table.assign(split="test")
        table = first_floor(table) if "keep_at_least" in table else table
        self.table = table
        self.bits = bits
        self.seeds = sorted(int(seed) for seed in table["seed"].unique())
        self.chance = 1 / sum(column.startswith("accuracy.") for column in table)
        self._cells = {
            key: part.set_index("seed")
            for key, part in table.groupby(["split", "criterion", "level"], sort=False)
            if not part["seed"].duplicated().any()
        }
        self._names = {split: list(part["criterion"].unique()) for split, part in table.groupby("split")}
        self._levels = {key: sorted(part["level"].unique()) for key, part in table.groupby(["split", "criterion"])}

    def names(self, criterion: str, split: str = "test") -> list[str]:
        """A criterion itself, or its draws."""
        known = self._names.get(split, [])
        draws = re.compile(re.escape(criterion) + r"\.\d+")
        found = [criterion] if criterion in known else [name for name in known if draws.fullmatch(name)]
        if not found:
            raise MissingError(f"the study has no `{criterion}` on the split {split}")
        return found

    def levels(self, criterion: str, split: str = "test") -> list[float]:
        """The levels at which a criterion was evaluated, sorted."""
        return self._levels[split, self.names(criterion, split)[0]]

    def column(self, criterion: str, level: float, column: str, split: str = "test") -> dict[int, float]:
        """{seed: value} of one column, draws averaged within a seed."""
        parts = [self._cell(name, level, split)[column] for name in self.names(criterion, split)]
        return (sum(parts) / len(parts)).to_dict()

    def accuracy(self, side: Side, level: float, split: str = "test") -> float:
        """Mean accuracy over seeds, draws averaged first."""
        values = [self.column(side.criterion(level, s), level, "accuracy", split)[s] for s in self.seeds]
        return float(np.mean(values))

    def dense(self) -> float:
        """Mean test accuracy over seeds before anything is removed; level 0 of every criterion is the same network."""
        rows = self.table[(self.table["split"] == "test") & (self.table["level"] == 0)]
        return float(rows.drop_duplicates("seed")["accuracy"].mean())

    def is_control(self, criterion: str, split: str = "test") -> bool:
        """Whether a name stands for draws."""
        return self.names(criterion, split) != [criterion]

    def dense_range(self) -> tuple[float, float]:
        """The lowest and the highest test accuracy of the networks before anything is removed."""
        rows = self.table[(self.table["split"] == "test") & (self.table["level"] == 0)].drop_duplicates("seed")
        return float(rows["accuracy"].min()), float(rows["accuracy"].max())

    def right(self, criterion: str, level: float, split: str = "test") -> np.ndarray:
        """(images,): right or wrong for the one network, averaged over draws."""
        return self.by_draw(criterion, level, split).mean(0)

    def by_draw(self, criterion: str, level: float, split: str = "test") -> np.ndarray:
        """(draws, images): right or wrong for the one network, as 1 and 0; what is not drawn has one row."""
        names = self.names(criterion, split)
        self._cell(names[0], level, split)
        place = self.levels(criterion, split).index(round(level, _DIGITS))
        try:
            return np.stack([self.bits[split, name][place] for name in names]).astype(np.float64)
        except KeyError:
            raise MissingError(f"no right or wrong images are stored of `{criterion}` on the split {split}") from None

    def empty(self, side: Side, level: float, split: str = "test") -> list[str]:
        """The layers that are empty in any of the networks, in the order of the table."""
        found = {}
        for seed in self.seeds:
            for name in self.names(side.criterion(level, seed), split):
                found |= dict.fromkeys(self._cell(name, level, split)["empty"][seed].split())
        return list(found)

    def images(self, split: str = "test") -> int:
        """How many images a split has, or 0 where the table does not say."""
        rows = self.table[self.table["split"] == split]
        return int(rows["images"].iloc[0]) if "images" in rows and len(rows) else 0

    def _cell(self, name, level, split):
        try:
            return self._cells[split, name, round(level, _DIGITS)]
        except KeyError:
            raise MissingError(f"the study has no level {100 * level:g} % of `{name}` on the split {split}") from None


def p_value(test: Student | OverImages) -> float:
    """The smallest alpha at which the interval settles the question either way.

    Without a margin: it leaves out zero. With one: it lies within the margin on both sides, or beyond it.
    """
    m = test.margin
    if not m:
        found = 2 * min(test.below(0), test.above(0))
    else:
        alike = 2 * max(test.above(m), test.below(-m))
        found = min(alike, 2 * test.below(m), 2 * test.above(-m))
    return 1.0 if math.isnan(found) else min(1.0, found)


def verdict(test: Student | OverImages, alpha: float) -> str:
    """Whether the interval at `alpha` settles the question, and how."""
    low, high = test.interval(alpha)
    m = test.margin
    if (m and -m < low and high < m) or (not m and low > 0):
        return HOLDS
    return FAILS if high < -m or (m and low > m) else UNKNOWN


def holm(p_values: Sequence[float], alpha: float) -> np.ndarray:
    """The level at which Holm's procedure tests each of these: alpha / m for the smallest, then alpha / (m - 1), ...

    From the first that is not rejected on, all others are looked at on its level, and are not rejected either.
    """
    order = np.argsort(p_values, kind="stable")
    levels, stopped = np.empty(len(order)), None
    for rank, place in enumerate(order):
        levels[place] = stopped or alpha / (len(order) - rank)
        if stopped is None and p_values[place] > levels[place]:
            stopped = levels[place]
    return levels


def draws_needed(comparisons: int, alpha: float, at_least: int) -> int:
    """How many draws leave enough beyond the ends of the widest interval among so many comparisons."""
    return max(at_least, math.ceil(2 * TAIL * comparisons / alpha))


def test(results: Results, comparison: Comparison | Shift, draws: int, seed: int) -> Student | OverImages:
    """Estimate a Comparison or a Shift: over training seeds, or for one network over images and draws of a control.

    `draws` are those of the bootstrap over images.
    """
    shift = isinstance(comparison, Shift)
    if len(results.seeds) > 1:
        return OverSeeds((shifts if shift else seed_differences)(results, comparison), comparison.margin)
    generator = seeds.numpy_generator(seed, "comparison", repr(comparison))
    if shift:
        drawn = shift_draws(results, comparison, draws, generator)
        return OverImages(shifts(results, comparison)[0], drawn, 0.0, results.images(comparison.split))
    return intervals.of_network(image_differences(results, comparison), draws, generator, comparison.margin)


test.__test__ = False  # pytest collects what is called so


def seed_differences(results: Results, comparison: Comparison) -> list[float]:
    """One difference for each training seed, averaged over levels."""
    return [
        np.mean(
            [
                results.column(comparison.first.criterion(level, s), level, "accuracy")[s]
                - results.column(comparison.second.criterion(level, s), level, "accuracy")[s]
                for level in comparison.levels
            ]
        )
        for s in results.seeds
    ]


def image_differences(results: Results, comparison: Comparison) -> np.ndarray:
    """(images,): right or wrong by the first minus by the second, averaged over levels.

    With a control on either side it is (draws, images). Two controls are paired by draw: the draws of some are the same
    orders, and of others not, which the pairing does not mind.
    """
    (seed,) = results.seeds
    sides = (comparison.first, comparison.second)
    first, second = (
        np.mean([results.by_draw(side.criterion(level, seed), level) for level in comparison.levels], axis=0)
        for side in sides
    )
    differences = first - second
    return differences if drawn(results, comparison) else differences[0]


def drawn(results: Results, comparison: Comparison | Shift) -> int:
    """How many draws a control has on either side of a Comparison; 0 where neither side is one."""
    if isinstance(comparison, Shift):
        return 0
    labels = {side.label for side in (comparison.first, comparison.second) if not side.chosen}
    return max((len(results.names(label)) for label in labels if results.is_control(label)), default=0)


def best(results: Results, names: Sequence[str], level: float, split: str) -> dict[int, str]:
    """{seed: the name with the highest accuracy on a split}; on ties the lowest loss, then the first, decides."""
    accuracy = {name: results.column(name, level, "accuracy", split) for name in names}
    loss = {name: results.column(name, level, "loss", split) for name in names}
    return {s: max(names, key=lambda name: (round(accuracy[name][s], 12), -loss[name][s])) for s in results.seeds}


def chosen(results: Results, label: str, names: Sequence[str], levels: Iterable[float], split: str) -> Side:
    """A side that is, at each level and for each seed, the best of `names` on a split."""
    found = {level: best(results, names, level, split) for level in levels}
    return Side(label, tuple(((level, s), name) for level, by_seed in found.items() for s, name in by_seed.items()))


def shifts(results: Results, shift: Shift) -> list[float]:
    """For each seed, the chosen delta at the first level minus that at the second."""
    first, second = (best(results, _mixed(shift), level, shift.split) for level in shift.levels)
    return [_delta(first[s]) - _delta(second[s]) for s in results.seeds]


def shift_draws(results: Results, shift: Shift, draws: int, generator: np.random.Generator) -> np.ndarray:
    """The same for images of the choosing split drawn with replacement, of one network.

    Ties are broken by the loss over all images.
    """
    (seed,) = results.seeds
    tables, values = [], []
    for level in shift.levels:
        loss = {name: results.column(name, level, "loss", shift.split)[seed] for name in _mixed(shift)}
        names = sorted(_mixed(shift), key=loss.get)
        tables.append(np.stack([results.right(name, level, shift.split) for name in names]))
        values.append(np.array([_delta(name) for name in names]))
    patterns, counts = np.unique(np.concatenate(tables).astype(np.int64), axis=1, return_counts=True)
    first, second = np.split(patterns, 2)
    found = []
    for drawn in intervals.multinomial(counts, draws, generator):
        a, b = (drawn @ part.T for part in (first, second))
        found.append(values[0][a.argmax(1)] - values[1][b.argmax(1)])
    return np.concatenate(found)


def _mixed(shift):
    return [f"mixed.{shift.reading}.{delta}" for delta in shift.deltas]


def _delta(name):
    return float(name.split(".", 2)[2])


def check(results: Results, comparison: Comparison | Shift) -> None:
    """Raise MissingError where the study lacks what a comparison needs."""
    if len(results.seeds) > 1:
        (shifts if isinstance(comparison, Shift) else seed_differences)(results, comparison)
    elif isinstance(comparison, Shift):
        shift_draws(results, comparison, 1, np.random.default_rng(0))
    else:
        image_differences(results, comparison)


def sides(results: Results, comparison: Comparison | Shift) -> tuple[float, float]:
    """The two accuracies that are compared, averaged over levels; of a shift, the two chosen deltas."""
    if isinstance(comparison, Shift):
        found = (best(results, _mixed(comparison), level, comparison.split) for level in comparison.levels)
        return tuple(float(np.mean([_delta(name) for name in by_seed.values()])) for by_seed in found)
    return tuple(
        float(np.mean([results.accuracy(side, level) for level in comparison.levels]))
        for side in (comparison.first, comparison.second)
    )


def at_chance(results: Results, comparison: Comparison | Shift) -> bool:
    """Whether both sides are near chance at every level; of a shift, whether the best is at any of its two."""
    bound = results.chance + NEAR_CHANCE
    if isinstance(comparison, Shift):
        split, names = comparison.split, _mixed(comparison)
        kept = [
            np.mean([results.column(name, level, "accuracy", split)[s] for s, name in found.items()])
            for level in comparison.levels
            for found in [best(results, names, level, split)]
        ]
        return min(kept) <= bound
    both = (comparison.first, comparison.second)
    return all(results.accuracy(side, level) <= bound for side in both for level in comparison.levels)
