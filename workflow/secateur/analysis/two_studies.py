"""Two studies of the same test images: the accuracy of one minus that of the other, cell by cell, with intervals.

What is paired depends on what the studies have in common, and is one of three:

IMAGES
    One network each: paired by test image, as two lists of one network are (`intervals`). Draws of a control, or of a
    learned criterion, are taken as independent.
SEEDS
    Several trainings each, with the same seeds, network, images and split: an equal seed is an equal start, so that
    trainings are paired by seed.
APART
    Any other trainings: the errors of both means add up, and of a side with one network there is no interval.

Accuracies are compared at equal levels, and at equal multiply-adds on the straight line between the two neighbouring
levels of every network and draw.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas

from secateur.analysis import intervals
from secateur.analysis.results import MissingError, Results
from secateur.artifacts import evaluation_table
from secateur.study import criterion_families, seeds
from secateur.study import kinds as recoveries

IMAGES, SEEDS, APART = "images", "seeds", "apart"
# Settings that two studies share whose trainings of one seed are pairs.
OF_A_START = ("data", "split", "model")
# Shares of the smaller dense network's multiply-adds at which accuracies are read between levels.
SHARES = (0.9, 0.75, 0.6, 0.45, 0.3, 0.15)
# Words on a cell.
A, B, EQUAL, UNKNOWN, WITHOUT = "A", "B", "equal", "cannot be told", "no interval"
DENSE = "dense network"


class Study(NamedTuple):
    """One of two studies: its settings, its tables, and its evaluations by recovery."""

    folder: str
    settings: Mapping[str, Any]
    evaluations: pandas.DataFrame
    curves: pandas.DataFrame
    by_recovery: Mapping[str, Results]
    versions: Mapping[str, str]  # of what made its tables

    @property
    def results(self) -> Results:
        """The evaluations of networks as pruned."""
        return self.by_recovery[recoveries.NONE.name]

    @property
    def budget(self) -> str:
        """The quantity that a level is a share of."""
        return self.settings["evaluation"]["budget"]

    @property
    def families(self) -> dict[str, str]:
        """{criterion, draws as one: its family} of what was evaluated."""
        known = criterion_families.of(self.settings)
        return {name: family for name, family in known.items() if self.results.has(name)}


class Two(NamedTuple):
    """Two studies, A and B, and a digest of the test images that they share."""

    a: Study
    b: Study
    images: str

    @property
    def pairing(self) -> str:
        """IMAGES, SEEDS or APART, by the rules of this module."""
        first, second = self.a.results.seeds, self.b.results.seeds
        if len(first) == len(second) == 1:
            return IMAGES
        alike = all(self.a.settings[key] == self.b.settings[key] for key in OF_A_START)
        return SEEDS if first == second and alike else APART

    @property
    def confidence(self) -> float:
        """The confidence of all intervals: the higher one of the two studies."""
        return max(study.settings["figures"]["confidence"] for study in self[:2])

    @property
    def families(self) -> dict[str, str]:
        """{criterion: its family} of those that both studies have."""
        return {name: family for name, family in self.a.families.items() if name in self.b.families}

    @property
    def recoveries(self) -> list[str]:
        """The recoveries that both studies have."""
        return list(filter(self.b.by_recovery.__contains__, self.a.by_recovery))


class Gap(NamedTuple):
    """Two accuracies, and B's minus A's with its interval; `same` where no network and no image differs."""

    a: float
    b: float
    estimate: float
    low: float
    high: float
    same: bool

    @property
    def word(self) -> str:
        """A or B where that one is ahead and it is told, else EQUAL, UNKNOWN or WITHOUT."""
        if self.same:
            return EQUAL
        if self.low != self.low:
            return WITHOUT
        if self.low > 0:
            return B
        return A if self.high < 0 else UNKNOWN


class Point(NamedTuple):
    """A criterion at a level, of one of the studies."""

    criterion: str
    level: float


# ---- what is compared: accuracies of trainings, or answers of one network ------------------------------------


def at_level(study: Study, recovery: str, point: Point) -> pandas.Series | np.ndarray:
    """Accuracies by seed, draws averaged; of one network right or wrong, (images,) or of draws (draws, images).

    Raises MissingError where the study has no such cell.
    """
    results = study.by_recovery[recovery]
    if len(results.seeds) > 1:
        return pandas.Series(results.column(*point, "accuracy"))
    right = results.by_draw(*point)
    return right if results.is_control(point.criterion) else right[0]


def at_cost(study: Study, recovery: str, criterion: str, macs: float) -> pandas.Series | np.ndarray:
    """The same where so many multiply-adds are left, between levels; MissingError beyond those of any network."""
    results = study.by_recovery[recovery]
    names = results.names(criterion)
    if len(results.seeds) > 1:
        parts = {}
        for seed in results.seeds:
            curves = [_curve(results, name, seed) for name in names]
            parts[seed] = np.mean([_between(left, values, macs) for left, values in curves])
        return pandas.Series(parts)
    (seed,) = results.seeds
    right = []
    for name in names:
        left, _ = _curve(results, name, seed)
        bits = np.concatenate([results.by_draw(name, level) for level in results.levels(name)])
        right.append(_between(left, bits, macs))
    return np.stack(right) if results.is_control(criterion) else right[0]


def _curve(results, name, seed):
    """(multiply-adds, accuracies) of one network and draw, by rising level."""
    levels = results.levels(name)
    left = [results.column(name, level, "macs")[seed] for level in levels]
    return np.array(left), np.array([results.column(name, level, "accuracy")[seed] for level in levels])


def _between(left, values, macs):
    """The value at a cost: of the first level that costs no more and of the one before it, in proportion."""
    if macs > left[0] or not (left <= macs).any():
        raise MissingError(f"{macs:g} multiply-adds lie beyond all levels")
    below = int(np.argmax(left <= macs))
    if left[below] == macs:
        return values[below]
    weight = (left[below - 1] - macs) / (left[below - 1] - left[below])
    return (1 - weight) * values[below - 1] + weight * values[below]


def dense_macs(study: Study) -> float:
    """The multiply-adds of the dense network."""
    rows = study.results.table
    return float(rows.loc[rows["level"] == 0, "macs"].iloc[0])


def macs(study: Study, recovery: str, point: Point) -> float:
    """The multiply-adds that are left at a point, the mean over networks and draws."""
    return float(np.mean(list(study.by_recovery[recovery].column(*point, "macs").values())))


# ---- differences ---------------------------------------------------------------------------------------------


def gap(two: Two, first: pandas.Series | np.ndarray, second: pandas.Series | np.ndarray, *purpose: Any) -> Gap:
    """The Gap of A's `first` and B's `second`, as `at_level` and `at_cost` give them.

    `purpose` are words behind the random numbers of a bootstrap.
    """
    test = _tested(two, first, second, purpose)
    low, high = test.interval(1 - two.confidence)
    same = _same(two.pairing, first, second)
    return Gap(_mean(first), _mean(second), test.estimate, low, high, same)


def _tested(two, first, second, purpose):
    if two.pairing == SEEDS:
        return intervals.of_differences(second - first, tested=True)
    if two.pairing == IMAGES:
        resamples = max(study.settings["figures"]["resamples"] for study in two[:2])
        generator = seeds.numpy_generator(two.a.settings["seed"], "two studies", *purpose)
        return intervals.of_differences(intervals.between(second, first, alike=False), resamples, generator)
    return intervals.OverTrainings(_means(second), _means(first))


def _means(values):
    """(trainings,) accuracies, of one network the mean of its answers."""
    return np.array(values) if isinstance(values, pandas.Series) else np.array([values.mean()])


def _mean(values):
    return float(_means(values).mean())


def _same(pairing, first, second):
    return pairing != APART and np.shape(first) == np.shape(second) and bool(np.all(first == second))


def level_gap(two: Two, recovery: str, first: Point, second: Point) -> Gap | None:
    """The Gap of a point of A and one of B; None where either study lacks it."""
    try:
        sides = at_level(two.a, recovery, first), at_level(two.b, recovery, second)
    except MissingError:
        return None
    return gap(two, *sides, recovery, *first, *second)


def cost_gap(two: Two, recovery: str, first: str, second: str, cost: float) -> Gap | None:
    """The Gap of a criterion of A and one of B where so many multiply-adds are left; None beyond the levels of one."""
    try:
        sides = at_cost(two.a, recovery, first, cost), at_cost(two.b, recovery, second, cost)
    except MissingError:
        return None
    return gap(two, *sides, recovery, first, second, f"{cost:.9g}")


def dense_gap(two: Two) -> Gap:
    """The Gap of the dense networks."""
    points = [Point(study.results.table["criterion"].iloc[0], 0.0) for study in two[:2]]
    found = level_gap(two, recoveries.NONE.name, *points)
    if found is None:
        raise MissingError("a study has no level 0, the dense network")
    return found


def levels(two: Two) -> list[float]:
    """The levels beyond 0 that both studies have, sorted."""
    first, second = (set(study.results.table["level"]) for study in two[:2])
    return sorted(level for level in first & second if level > 0)


def costs(two: Two) -> dict[float, float]:
    """{share: multiply-adds} of SHARES of the smaller dense network."""
    smaller = min(map(dense_macs, two[:2]))
    return {share: share * smaller for share in SHARES}


COLUMNS = (
    *("criterion", "family", "recovery", "equal", "level", "macs_a", "macs_b"),
    *("accuracy_a", "accuracy_b", "difference", "low", "high", "ahead"),
)


def differences(two: Two) -> pandas.DataFrame:
    """A row for every criterion, recovery and level, and for every one at equal multiply-adds, that both studies have.

    The first row is that of the dense networks. `equal` says what is equal: `level` or `macs`; `difference` is B's
    accuracy minus A's; `ahead` is A or B where it is told, else `equal`, `cannot be told` or `no interval`.
    """
    dense = {"criterion": DENSE, "family": "", "recovery": recoveries.NONE.name, "equal": "level", "level": 0.0}
    sizes = {"macs_a": dense_macs(two.a), "macs_b": dense_macs(two.b)}
    rows = [dense | sizes | _numbers(dense_gap(two))]
    for recovery, (name, family) in itertools.product(two.recoveries, two.families.items()):
        cell = {"criterion": name, "family": family, "recovery": recovery}
        rows += [cell | row for row in _rows(two, recovery, name)]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _rows(two, recovery, name) -> Iterator[dict[str, Any]]:
    for level in levels(two):
        point = Point(name, level)
        found = level_gap(two, recovery, point, point)
        if found:
            left = {"macs_a": macs(two.a, recovery, point), "macs_b": macs(two.b, recovery, point)}
            yield {"equal": "level", "level": level, **left, **_numbers(found)}
    for cost in costs(two).values():
        found = cost_gap(two, recovery, name, name, cost)
        if found:
            yield {"equal": "macs", "macs_a": cost, "macs_b": cost, **_numbers(found)}


def _numbers(found):
    numbers = {"accuracy_a": found.a, "accuracy_b": found.b, "difference": found.estimate}
    return numbers | {"low": found.low, "high": found.high, "ahead": found.word}


# ---- what differs --------------------------------------------------------------------------------------------


def exact(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Evaluations with accuracies in exact counts of images: tables round, and equal networks would differ by that."""
    return rows.assign(accuracy=(rows["accuracy"] * rows["images"]).round() / rows["images"])


def only(two: Two) -> dict[str, tuple[list[str], list[str]]]:
    """{what: (names that only A has, names that only B has)} of criteria, recoveries and levels; none where equal."""
    known = []
    for study in two[:2]:
        removed = (f"{100 * level:g} %" for level in sorted(study.results.table["level"].unique()))
        known.append({"criteria": study.families, "recoveries": study.by_recovery, "levels": dict.fromkeys(removed)})
    found = {}
    for what in known[0]:
        first, second = known[0][what], known[1][what]
        apart = _without(first, second), _without(second, first)
        if apart != ([], []):
            found[what] = apart
    return found


def _without(names, others):
    return [name for name in names if name not in others]


def of_layers(two: Two) -> bool:
    """Tell whether the dense networks have the same layers and the same multiply-adds."""
    layers = [evaluation_table.of_layers(study.evaluations) for study in two[:2]]
    return layers[0] == layers[1] and dense_macs(two.a) == dense_macs(two.b)


def by_recovery(
    evaluations: pandas.DataFrame, bits: Mapping[str, Mapping[tuple[str, str], np.ndarray]]
) -> dict[str, Results]:
    """{recovery: Results} of a study's evaluations; `bits` are {recovery: those of Results}, of one network."""
    rows, found = exact(evaluations), {}
    for name in rows.loc[rows["split"] == "test", "recovery"].unique():
        found[name] = Results(rows, bits.get(name, {}), name)
    return found
