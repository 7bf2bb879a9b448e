"""Intervals around means: over training seeds, over draws of a control, or over test images of one network.

Everything that prints or tests a paired difference takes its interval from `of_differences` or `of_losses`.

Over seeds
    Student's distribution on one difference for each training seed, draws of a control averaged within a seed first,
    because every seed has draws of its own.
One network, two lists
    A paired bootstrap over test images for what is right or wrong, Student's over them for the loss.
One network, a control that is drawn
    Student's over the paired differences of the draws, widened by what the images add: `errors` says how.
Trainings that have nothing in common
    Student's over the means of both sides, each with an error of its own (`OverTrainings`): two studies whose networks
    are no pairs.
Draws on one network
    A learned criterion is drawn too, and its draws have nothing in common with those of chance: between the two,
    Student's over the draws of each side, widened by what the images add (`errors_of_both`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import numpy as np
import pandas
from numpy.typing import ArrayLike

from secateur.analysis import wording


@dataclasses.dataclass(frozen=True)
class Independent:
    """Values of two sides of one network, (draws, images) each over the same images, whose draws are independent."""

    first: np.ndarray
    second: np.ndarray


# One value for each training seed; or of one network (images,), or of a control (draws, images), or of two sides.
Differences = pandas.Series | np.ndarray | Independent

# Of differences of accuracies, of shares and of deltas.
LARGEST = 1.0
# A standard error that rounding alone leaves.
ROUNDING = 1e-12


def _quantile(alpha, freedom):
    from scipy import stats

    return float(stats.t.isf(alpha / 2, freedom))


def _error(values):
    """The standard error of a mean; of one value there is none."""
    if len(values) < 2:
        return math.nan
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def errors(differences: ArrayLike) -> list[tuple[float, int]]:
    """[(standard error, degrees of freedom), ...] of a mean of differences, (images,) or of a control (draws, images).

    A difference d[k, i] of draw k and image i is taken as mean + D[k] + I[i] + e[k, i], with D, I and e independent:
    draws and images are crossed. The mean of all n x m of them has the variance

        var(D) / n  +  var(I) / m  +  var(e) / (n m).

    The draws' means vary by var(D) + var(e) / m, so that s^2 / n has the first and the last of these, and misses what
    all draws share, the images. The images' means over draws vary by var(I) + var(e) / n. Both errors together have
    all three, and the last one twice: too much, never too little, by a share that falls with the number of draws.
    """
    differences = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    means = differences.mean(0)
    over_images = (_error(means), len(means) - 1)
    if len(differences) == 1:
        return [over_images]
    return [(_error(differences.mean(1)), len(differences) - 1), over_images]


def errors_of_both(sides: Independent) -> list[tuple[float, int]]:
    """[(standard error, degrees of freedom), ...] of the difference of two sides' means, of n and of k draws.

    As in `errors`, with draws of both sides: d[k, i] is the mean of the first over its draws minus that of the second
    over its own. The variance of the mean is var(D1) / n + var(D2) / k + var(I) / m and what each draw's own errors
    add; the images, which both sides share, are paired. Of a side with one draw there is no error.
    """
    images = sides.first.mean(0) - sides.second.mean(0)
    of_draws = [(_error(side.mean(1)), len(side) - 1) for side in (sides.first, sides.second)]
    return [*of_draws, (_error(images), len(images) - 1)]


class Student:
    """Student's distribution of an estimate with one error, or with several that add up.

    Half an interval is the root of the sum of the squares of what it would be for each of `errors` alone. It covers
    at least as often as it says: the square of a standard normal number has a concave distribution function, so that
    a weighted mean of squared quantiles is passed no more often than the mean of their own probabilities (Banerjee,
    Sankhya A 23, 1961). Where one error outweighs the others, it is that one's own interval.

    Errors of at most `negligible` count as none; one that is no number stays, and leaves no interval.
    """

    def __init__(
        self,
        estimate: float | np.floating,
        errors: Iterable[tuple[float, int]],
        margin: float = 0.0,
        n: int = 0,
        largest: float = LARGEST,
        negligible: float = ROUNDING,
    ) -> None:
        self.estimate, self.margin = float(estimate), margin
        self.n, self.largest = n, largest
        self.errors = []
        for error, freedom in errors:
            if not error <= negligible:
                self.errors.append((error, freedom))

    def interval(self, alpha: float) -> tuple[float, float]:
        """The interval that leaves alpha / 2 beyond each end; of differences of accuracies, within -1 and 1."""
        half = self.half(alpha)
        return within(self.estimate - half, self.estimate + half, -self.largest, self.largest)

    def half(self, alpha: float) -> float:
        """Half the width of the interval, before it is cut."""
        return math.sqrt(sum((_quantile(alpha, freedom) * error) ** 2 for error, freedom in self.errors))

    def below(self, bound: float) -> float:
        """The probability of a mean at or below a bound."""
        return self._beyond(self.estimate - bound)

    def above(self, bound: float) -> float:
        """The probability of a mean at or above a bound."""
        return self._beyond(bound - self.estimate)

    def _beyond(self, distance):
        if distance < 0:
            return 1 - self._tail(-distance)
        return self._tail(distance)

    def _tail(self, distance):
        """Half the alpha at which half the interval is as long as a distance."""
        from scipy import stats

        if any(math.isnan(error) for error, _ in self.errors):
            return math.nan
        if not distance:
            return 0.5
        if not self.errors:
            return 0.0
        if len(self.errors) == 1:
            error, freedom = self.errors[0]
            return float(stats.t.sf(distance / error, freedom))
        return self._tail_of_several(distance)

    def _tail_of_several(self, distance):
        from scipy import optimize

        def longer(logarithm):
            return self.half(2 * math.exp(logarithm)) - distance

        # With one degree of freedom, the square of a quantile further out has no finite value.
        smallest = 1e-150 if min(freedom for _, freedom in self.errors) == 1 else 1e-300
        ends = math.log(smallest), math.log(0.5)
        if longer(ends[0]) <= 0:
            return 0.0
        return math.exp(optimize.brentq(longer, *ends, xtol=1e-10))


class OverSeeds(Student):
    """Student's distribution of the mean of differences, one for each training seed.

    Seeds that differ by the very same amount (a chosen delta may) say nothing of how much seeds differ: where that is
    `tested` there is no interval, and in a table it has no width.
    """

    def __init__(self, values: ArrayLike, margin: float = 0.0, largest: float = LARGEST, tested: bool = True) -> None:
        values = np.asarray(values, dtype=np.float64)
        error = _error(values)
        if tested and error <= ROUNDING:
            error = math.nan
        super().__init__(values.mean(), [(error, len(values) - 1)], margin, len(values), largest, negligible=0.0)


class OverTrainings(Student):
    """Student's distribution of the mean of some trainings minus that of others, which are no pairs.

    The errors of both sides add up, as in `Student`. Of one training there is no error, so that there is no interval;
    nor is there one where all trainings of a side are equal, which says nothing of how much they differ.
    """

    def __init__(self, first: ArrayLike, second: ArrayLike) -> None:
        sides = [np.asarray(side, dtype=np.float64) for side in (first, second)]
        known = [(_error(side), len(side) - 1) for side in sides]
        if max(error for error, _ in known) <= ROUNDING:
            known = [(math.nan, 0)]
        super().__init__(sides[0].mean() - sides[1].mean(), known, n=sum(map(len, sides)))


class OverDraws(Student):
    """Student's distribution of one network's mean difference, (draws, images), to or of a control.

    Student's over the draws, with one degree of freedom less than there are draws, widened by what the images add
    (`errors`). Of one draw there is no interval: nothing tells how far another would lie from it.
    """

    def __init__(self, differences: np.ndarray, margin: float = 0.0, largest: float = LARGEST) -> None:
        draws, images = np.shape(differences)
        known = errors(differences) if draws > 1 else [(math.nan, 0)]
        super().__init__(np.mean(differences, dtype=np.float64), known, margin, images, largest)


class OverBothDraws(Student):
    """Student's distribution of the difference of two sides of one network, each with draws of its own.

    Where a side has one draw there is no interval, whatever the other has.
    """

    def __init__(self, sides: Independent, margin: float = 0.0, largest: float = LARGEST) -> None:
        estimate = np.mean(sides.first, dtype=np.float64) - np.mean(sides.second, dtype=np.float64)
        super().__init__(estimate, errors_of_both(sides), margin, sides.first.shape[1], largest)


class OverImages:
    """The distribution of one network's mean difference over images drawn with replacement."""

    def __init__(self, estimate: float | np.floating, draws: np.ndarray, margin: float, n: int) -> None:
        self.estimate, self.margin, self.n = float(estimate), margin, n
        # Without rounding, equal counts of right and wrong would be 1e-18 on one side of zero.
        self._draws = np.sort(np.round(draws, 12))

    def below(self, bound: float) -> float:
        """The share of draws at or below a bound."""
        return np.searchsorted(self._draws, bound, side="right") / len(self._draws)

    def above(self, bound: float) -> float:
        """The share of draws at or above a bound."""
        return 1 - np.searchsorted(self._draws, bound, side="left") / len(self._draws)

    def interval(self, alpha: float) -> tuple[float, float]:
        """The percentile interval that leaves alpha / 2 of the draws beyond each end."""
        beyond = math.floor(len(self._draws) * alpha / 2 + 1e-9)
        return float(self._draws[beyond]), float(self._draws[-1 - beyond])


# ---- paired differences: the one place where a method is chosen ----------------------------------------------


def between(first: np.ndarray, second: np.ndarray, alike: bool) -> np.ndarray | Independent:
    """The differences of two sides of one network, (images,) or of what is drawn (draws, images) each.

    Draws are paired where those of the two sides are `alike` and as many, and else independent.
    """
    if np.ndim(first) == np.ndim(second) == 2 and not (alike and len(first) == len(second)):
        return Independent(first, second)
    return first - second


def of_differences(
    differences: Differences,
    resamples: int = 0,
    generator: np.random.Generator | None = None,
    margin: float = 0.0,
    tested: bool = False,
) -> Student | OverImages:
    """Estimate the mean of paired differences of accuracies (or of shares, or of deltas).

    A series has one difference for each training seed: Student's over them, see OverSeeds for `tested`. An array is of
    one network: (images,) between two lists, with a bootstrap over test images, of which there are `resamples` by
    `generator`; (draws, images) where a side is a control, with Student's over its draws. Independent draws of both
    sides count both.
    """
    if isinstance(differences, Independent):
        return OverBothDraws(differences, margin)
    if isinstance(differences, pandas.Series):
        return OverSeeds(differences, margin, tested=tested)
    # Only differences by seed come without a generator.
    return of_network(differences, resamples, cast(np.random.Generator, generator), margin)


def of_losses(differences: pandas.Series | np.ndarray) -> Student:
    """Estimate the mean of paired differences of losses, which have no largest: Student's over seeds, over images,
    or over draws and images."""
    if isinstance(differences, pandas.Series):
        return OverSeeds(differences, largest=math.inf, tested=False)
    if np.ndim(differences) == 2:
        return OverDraws(differences, largest=math.inf)
    return Student(np.mean(differences), errors(differences), n=len(differences), largest=math.inf)


def of_network(
    differences: np.ndarray, resamples: int, generator: np.random.Generator, margin: float = 0.0
) -> OverDraws | OverImages:
    """Estimate one network's mean difference: right or wrong, (images,), or of a control (draws, images)."""
    if np.ndim(differences) == 2:
        return OverDraws(differences, margin)
    means = bootstrap_means(differences, resamples, generator)
    return OverImages(np.mean(differences), means, margin, len(differences))


def paired_bootstrap(
    right: ArrayLike, reference: ArrayLike, confidence: float, resamples: int, generator: np.random.Generator
) -> tuple[float, float]:
    """(low, high) of accuracy minus reference accuracy of one network, over test images drawn with replacement.

    `right` and `reference` are bools (images,). Percentile interval.
    """
    differences = np.asarray(right, float) - np.asarray(reference, float)
    return of_network(differences, resamples, generator).interval(1 - confidence)


def bootstrap_means(values: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Means of images drawn with replacement.

    The mean of a resample depends only on how often each distinct value is drawn, so these counts are drawn instead.
    """
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    means = [drawn @ distinct for drawn in multinomial(counts, draws, generator)]
    return np.concatenate(means) / counts.sum()


def multinomial(
    counts: np.ndarray, draws: int, generator: np.random.Generator, at_once: int = 4000
) -> Iterator[np.ndarray]:
    """Counts of each of several things, of which there are `counts`, among as many drawn with replacement."""
    for start in range(0, draws, at_once):
        yield generator.multinomial(counts.sum(), counts / counts.sum(), size=min(at_once, draws - start))


def within(low: float, high: float, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """(low, high) cut where no value can be: an accuracy lies within 0 and 1."""
    return float(np.clip(low, least, most)), float(np.clip(high, least, most))


def wilson(right: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """(low, high) of an accuracy, for what chance in the test images adds; Wilson's, which keeps a width at 0 and 1."""
    from scipy import stats

    square = stats.norm.isf((1 - confidence) / 2) ** 2
    middle = (right + square / 2) / (images + square)
    half = math.sqrt(square * (right * (images - right) / images + square / 4)) / (images + square)
    return within(middle - half, middle + half)


# How far the two halves of an interval may differ to stand as one ±: a tenth of what is printed, 0.1 %.
ALIKE = 1e-4


def shown(accuracy: float, low: float, high: float) -> str:
    """An accuracy in percent with its interval: ± half of it, or both ends where the halves differ or one was cut."""
    if low != low:
        return f"{100 * accuracy:.1f}"
    if low <= 0 or high >= 1 or abs((high - accuracy) - (accuracy - low)) > ALIKE:
        return f"{100 * accuracy:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * accuracy:.1f} ± {50 * (high - low):.1f}"


def in_points(row: Mapping[str, float], column: str) -> str:
    """A difference in points with its interval, from the columns of `averages.versus_columns`; nothing without any."""
    change, low, high = (100 * row[f"{column}{end}"] for end in ("", "_low", "_high"))
    if change != change:
        return ""
    if low != low:
        return f"{change:+z.2f}"
    return f"{change:+z.2f} ({low:+z.2f} to {high:+z.2f})"


def cell(level: float, accuracy: float, low: float, high: float, collapsed: float) -> str:
    """An accuracy in a table by level: `shown`, without an interval for the dense network, and a dagger for an empty
    layer."""
    if level == 0:
        low = high = math.nan
    return f"{shown(accuracy, low, high)}{wording.dagger(collapsed)}"
