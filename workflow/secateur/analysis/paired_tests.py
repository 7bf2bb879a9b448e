"""Paired comparisons of two criteria: their difference, its interval, and its verdict among many comparisons."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pandas

from secateur.analysis import intervals
from secateur.analysis.intervals import OverImages, Student
from secateur.analysis.results import Results, Side, best
from secateur.study import seeds, vocabulary

HOLDS = "holds"
FAILS = "does not hold"
UNKNOWN = "cannot be told"
# An accuracy within so much of chance is chance: such a network says nothing of its ranking.
NEAR_CHANCE = 0.02
# So many draws are expected beyond each end of the narrowest tail that is looked at.
TAIL = 50


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
    """The best of `deltas` at the first of two levels minus that at the second, on the choosing split."""

    reading: str
    deltas: tuple[str, ...]
    levels: tuple[float, ...]
    split: str
    margin: float = 0.0


def p_value(test: Student | OverImages) -> float:
    """The smallest alpha at which the interval settles the question either way.

    Without a margin: it leaves out zero. With one: it lies within the margin on both sides, or beyond it.
    """
    margin = test.margin
    if margin:
        alike = 2 * max(test.above(margin), test.below(-margin))
        smallest = min(alike, 2 * test.below(margin), 2 * test.above(-margin))
    else:
        smallest = 2 * min(test.below(0), test.above(0))
    return 1.0 if math.isnan(smallest) else min(1.0, smallest)


def verdict(test: Student | OverImages, alpha: float) -> str:
    """HOLDS or FAILS where the interval at `alpha` settles the question, else UNKNOWN."""
    low, high = test.interval(alpha)
    margin = test.margin
    if margin:
        holds, fails = -margin < low and high < margin, high < -margin or low > margin
    else:
        holds, fails = low > 0, high < 0
    if holds:
        return HOLDS
    return FAILS if fails else UNKNOWN


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
    """The count of draws that leave enough beyond the ends of the widest interval among so many comparisons."""
    return max(at_least, math.ceil(2 * TAIL * comparisons / alpha))


def test(results: Results, comparison: Comparison | Shift, draws: int, seed: int) -> Student | OverImages:
    """Estimate a Comparison or a Shift: over training seeds, or for one network over images and draws of a control.

    `draws` are those of the bootstrap over images.
    """
    generator = seeds.numpy_generator(seed, "comparison", repr(comparison))
    if isinstance(comparison, Shift) and len(results.seeds) == 1:
        moved = shift_draws(results, comparison, draws, generator)
        return OverImages(shifts(results, comparison).iloc[0], moved, 0.0, results.images(comparison.split))
    paired = differences(results, comparison)
    return intervals.of_differences(paired, draws, generator, comparison.margin, tested=True)


test.__test__ = False  # pytest collects what is called so


def differences(results: Results, comparison: Comparison | Shift) -> intervals.Differences:
    """The paired differences of a comparison: by training seed, or of one network by image (of a Shift its only one).

    Raises MissingError where the study lacks what a comparison needs.
    """
    if isinstance(comparison, Shift):
        return shifts(results, comparison)
    if len(results.seeds) > 1:
        return seed_differences(results, comparison)
    return image_differences(results, comparison)


def seed_differences(results: Results, comparison: Comparison) -> pandas.Series:
    """One difference for each training seed, averaged over levels."""
    means = {}
    for seed in results.seeds:
        gaps = []
        for level in comparison.levels:
            first = results.of_seed(comparison.first, level, seed)
            gaps.append(first - results.of_seed(comparison.second, level, seed))
        means[seed] = np.mean(gaps)
    return pandas.Series(means)


def image_differences(results: Results, comparison: Comparison) -> np.ndarray | intervals.Independent:
    """(images,): right or wrong by the first minus by the second, averaged over levels.

    With a control on either side it is (draws, images). Two controls are paired by draw: the draws of some are the same
    orders, and of others not, which the pairing does not mind. Draws of a learned criterion are independent of those of
    chance, and of another's.
    """
    first = _averaged(results, comparison.first, comparison.levels)
    second = _averaged(results, comparison.second, comparison.levels)
    alike = vocabulary.draws_alike(comparison.first.label, comparison.second.label)
    return intervals.between(first, second, alike)


def _averaged(results, side, levels):
    """(images,), or of what is drawn (draws, images): right or wrong for the one network, averaged over levels."""
    (seed,) = results.seeds
    right = np.mean([results.by_draw(side.criterion(level, seed), level) for level in levels], axis=0)
    return right if _is_drawn(results, side) else right[0]


def _is_drawn(results, side):
    return not side.chosen and results.is_control(side.label)


def drawn(results: Results, comparison: Comparison | Shift) -> int:
    """The count of draws of a control on either side of a Comparison; 0 where neither side is one."""
    if isinstance(comparison, Shift):
        return 0
    counts = [0]
    for side in (comparison.first, comparison.second):
        if _is_drawn(results, side):
            counts.append(len(results.names(side.label)))
    return max(counts)


def shifts(results: Results, shift: Shift) -> pandas.Series:
    """The chosen delta at the first level minus that at the second, by training seed."""
    first, second = shift.levels
    return _chosen_deltas(results, shift, first) - _chosen_deltas(results, shift, second)


def _chosen_deltas(results, shift, level):
    """The delta of the best list at a level, by training seed."""
    return pandas.Series(best(results, _mixed(shift), level, shift.split)).map(_delta)


def shift_draws(results: Results, shift: Shift, draws: int, generator: np.random.Generator) -> np.ndarray:
    """(draws,): the shift of one network for images of the choosing split drawn with replacement.

    Ties are broken by the loss over all images.
    """
    right, deltas = [], []
    for level in shift.levels:
        names = _by_loss(results, shift, level)
        right.append(np.stack([results.right(name, level, shift.split) for name in names]))
        deltas.append(np.array(list(map(_delta, names))))
    patterns, counts = np.unique(np.concatenate(right).astype(np.int64), axis=1, return_counts=True)
    first, second = np.split(patterns, 2)
    parts = []
    for resampled in intervals.multinomial(counts, draws, generator):
        higher, lower = (resampled @ first.T).argmax(1), (resampled @ second.T).argmax(1)
        parts.append(deltas[0][higher] - deltas[1][lower])
    return np.concatenate(parts)


def _by_loss(results, shift, level):
    """The lists of a shift, the lowest loss first."""
    (seed,) = results.seeds
    return sorted(_mixed(shift), key=lambda name: results.column(name, level, "loss", shift.split)[seed])


def _mixed(shift):
    return [f"mixed.{shift.reading}.{delta}" for delta in shift.deltas]


def _delta(name):
    return float(name.split(".", 2)[2])


def check(results: Results, comparison: Comparison | Shift) -> None:
    """Raise MissingError where the study lacks what a comparison needs."""
    if isinstance(comparison, Shift) and len(results.seeds) == 1:
        shift_draws(results, comparison, 1, np.random.default_rng(0))
    else:
        differences(results, comparison)


def sides(results: Results, comparison: Comparison | Shift) -> tuple[float, float]:
    """The two accuracies that are compared, averaged over levels; of a shift, the two chosen deltas."""
    if isinstance(comparison, Shift):
        first, second = comparison.levels
        return _mean_delta(results, comparison, first), _mean_delta(results, comparison, second)
    levels = comparison.levels
    return _mean_accuracy(results, comparison.first, levels), _mean_accuracy(results, comparison.second, levels)


def _mean_delta(results, shift, level):
    return float(np.mean(_chosen_deltas(results, shift, level).to_list()))


def _mean_accuracy(results, side, levels):
    return float(np.mean(_accuracies(results, side, levels)))


def _accuracies(results, side, levels):
    return [results.accuracy(side, level) for level in levels]


def at_chance(results: Results, comparison: Comparison | Shift) -> bool:
    """Tell whether both sides are near chance at every level; of a shift, whether the best is at either of its two."""
    bound = results.chance + NEAR_CHANCE
    if isinstance(comparison, Shift):
        first, second = comparison.levels
        lowest = min(_best_accuracy(results, comparison, first), _best_accuracy(results, comparison, second))
        return lowest <= bound
    best_first = max(_accuracies(results, comparison.first, comparison.levels))
    best_second = max(_accuracies(results, comparison.second, comparison.levels))
    return max(best_first, best_second) <= bound


def _best_accuracy(results, shift, level):
    """The mean over seeds of the best list's accuracy on the choosing split."""
    winners = best(results, _mixed(shift), level, shift.split)
    accuracies = [results.of_seed(Side(name), level, seed, shift.split) for seed, name in winners.items()]
    return float(np.mean(accuracies))
