"""The material of a claim: what a study measured, and the comparisons of test accuracies that judge the claim."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas

from secateur.analysis import paired_tests
from secateur.analysis.paired_tests import Comparison, Shift
from secateur.analysis.results import MissingError, Results, Side
from secateur.study import vocabulary
from secateur.verdicts import thesis_numbers

LOW = (0.1, 0.2, 0.3, 0.4)
ALL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Two lists are called the same where their accuracies differ by less than one point.
SAME = 0.01


@dataclasses.dataclass(frozen=True)
class Study:
    """The results of a study, the thesis's printed numbers, and the part of each reading; a part may be empty."""

    results: Results
    printed: pandas.DataFrame
    ours: str
    faithful: str = ""
    clean: str = ""
    reductions: tuple[str, ...] = ()
    choose_on: str = "rank"
    mixes: str = "mean_abs"
    weights: tuple[str, ...] = ("weight",)
    deltas: tuple[str, ...] = ()
    statistics: tuple[str, ...] = vocabulary.STATISTICS

    @property
    def proper(self) -> tuple[str, ...]:
        """The deltas that blend two lists: 0 is the weight list alone, and 1 the relevance list."""
        return tuple(delta for delta in self.deltas if 0 < float(delta) < 1)

    @property
    def readings(self) -> list[str]:
        """The readings for which the thesis's claims are judged."""
        return list(filter(None, dict.fromkeys((self.ours, self.faithful))))

    def relevance(self, reading: str) -> Side:
        """The criterion of a reading alone."""
        return Side(f"{reading}.{self.mixes}")

    @property
    def weight(self) -> Side:
        """The weights' own criterion."""
        return Side(f"{self.weights[0]}.{self.mixes}")

    def percent(self, criterion: str, level: float) -> str:
        """A printed accuracy in percent, as text."""
        return f"{100 * thesis_numbers.accuracy(self.printed, criterion, level):.2f} %"

    def reading_of(self, part: str) -> str:
        """The reading that plays a part; MissingError where the study names none."""
        reading = {"faithful": self.faithful, "clean": self.clean}[part]
        if not reading:
            raise MissingError(f"the study names no reading as `{part}`")
        return reading


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The comparisons that judge a claim, the thesis's printed numbers in words, and blocks to show beside."""

    comparisons: tuple[Comparison | Shift, ...]
    printed: str
    extra: tuple[tuple[Any, ...], ...] = ()


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence that can be true or false, its source, and the function that finds its evidence.

    `rule` makes one verdict of those of the comparisons. A claim `by_reading` is judged for each reading.
    """

    sentence: str
    source: str
    evidence: Callable[..., Evidence]
    by_reading: bool = True
    rule: Callable[[Sequence[str]], str] | None = None


def at_each(first: Side, second: Side, levels: Sequence[float], margin: float = 0.0) -> tuple[Comparison, ...]:
    """One comparison of two sides at each level."""
    return tuple(Comparison(first, second, (level,), margin) for level in levels)


def against_each(first: Side, others: Iterable[Side], levels: tuple[float, ...]) -> tuple[Comparison, ...]:
    """One comparison with each of some sides, averaged over levels."""
    return tuple(Comparison(first, other, levels) for other in others)


def mixed(reading: str, deltas: Iterable[str]) -> list[str]:
    """The mixed lists of a reading."""
    return [f"mixed.{reading}.{delta}" for delta in deltas]


def pointwise(
    results: Results, first: Side, second: Side, level: float, alpha: float, resamples: int, seed: int
) -> dict[str, Any]:
    """One level of two sides: accuracies, difference, and an interval that takes no account of other comparisons."""
    comparison = Comparison(first, second, (level,))
    test = paired_tests.test(results, comparison, resamples, seed)
    low, high = test.interval(alpha)
    a, b = paired_tests.sides(results, comparison)
    row = {"first": first.label, "second": second.label, "level": level, "a": a, "b": b}
    return row | {"difference": test.estimate, "low": low, "high": high}
