"""A study's answer by fixed rules: the level and the criterion that other images than those of the test choose.

The level is the highest at which any criterion is within NEAR of the dense network on the images that choose
(`evaluation.choose_on`); there the most accurate criterion leads, and every other family is represented by its own most
accurate one. All that is reported is of the test images. Without images that choose nothing is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas

from secateur.analysis import paired_tests, wording
from secateur.analysis.paired_tests import Comparison
from secateur.analysis.results import MissingError, Results, Side
from secateur.study.criterion_families import CONTROLS, FAMILIES, RANDOM, WEIGHTS

# Mixed lists by delta 0 and 1 are the two rankings themselves, which have families of their own.
END_OF_MIXED = re.compile(r"mixed\..+\.[01]\.0+")
# Points below the dense network that count as close to it.
NEAR = 0.05


class Chosen(NamedTuple):
    """A level, the criterion that leads there, and each family's representative."""

    level: float
    split: str | None  # of the images that chose; None where nothing was chosen
    near: bool  # within NEAR of the dense network, on the images that chose
    leader: str | None
    of_families: dict[str, str]  # {family: criterion}, the leader's among them
    accuracy: float  # of the leader on the images that chose
    dense: float

    @property
    def weights(self) -> str | None:
        """The criterion of the weights with which others are compared, their own best one; None in a study without."""
        return self.of_families.get(WEIGHTS)


def chosen(results: Results, families: Mapping[str, str], split: str | None, plain: Iterable[str]) -> Chosen:
    """Choose by the rules of this module.

    `families` is {criterion: family}, `split` that of the images that choose, and `plain` the criteria that stand for
    their families where nothing is chosen, at the level in the middle.
    """
    levels = sorted(level for level in results.table["level"].unique() if level > 0) or [0.0]
    found = None if split is None else _found(results, _candidates(results, families, split), levels, split)
    if found:
        return found
    stand = {}
    for name in plain:
        stand.setdefault(families[name], name)
    return Chosen(levels[len(levels) // 2], None, False, None, stand, float("nan"), results.dense())


def of_study(
    results: Results, families: Mapping[str, str], split: str | None, statistic: str
) -> tuple[dict[str, str], Chosen]:
    """({criterion: family} of those that were evaluated, what is chosen among them).

    `families` is that of the study's settings, and `statistic` the one that stands for readings and weights where
    nothing is chosen.
    """
    known = dict(filter(lambda item: results.has(item[0]), families.items()))
    return known, chosen(results, known, split, _plain(known, statistic))


def _plain(families, statistic):
    """The criteria that stand for their families where nothing is chosen: those of the statistic that is compared."""
    named = [name for name in families if name.endswith(f".{statistic}")]
    others = [name for name, family in families.items() if family not in ("relevance", WEIGHTS)]
    return [name for name in [*named, *others] if families[name] not in (RANDOM, CONTROLS)]


def looked_at(results: Results, picked: Chosen) -> list[str]:
    """The criteria whose networks are looked at: that of the answer, the best of the weights, and chance.

    Of a criterion with draws it is the first. Where nothing was chosen, the first family's criterion leads.
    """
    leader = picked.leader or next(iter(picked.of_families.values()), RANDOM)
    wanted = dict.fromkeys([leader, picked.weights or RANDOM, RANDOM])
    return [results.names(name)[0] for name in filter(results.has, wanted)]


def _found(results, candidates, levels, split):
    """The highest level with a criterion close to the dense network, else the lowest; None without candidates."""
    rows = results.table[results.table["split"] == split]
    dense = float(rows[rows["level"] == 0].drop_duplicates("seed")["accuracy"].mean())
    lowest = None
    for level in reversed(levels):
        means = _means(results, candidates, level, split)
        if not means:
            continue
        leader, best = max(means, key=means.__getitem__), {}
        for name in sorted(means, key=means.__getitem__, reverse=True):
            best.setdefault(candidates[name], name)
        near = means[leader][0] >= dense - NEAR
        lowest = Chosen(level, split, near, leader, _ordered(best), means[leader][0], dense)
        if near:
            break
    return lowest


def _ordered(best):
    return {family: best[family] for family in FAMILIES if family in best}


def _candidates(results, families, split):
    known = set(results.table.loc[results.table["split"] == split, "criterion"])
    candidates = {}
    for name, family in families.items():
        if family in (RANDOM, CONTROLS) or END_OF_MIXED.fullmatch(name):
            continue
        if name in known or (results.has(name) and f"{name}.0" in known):
            candidates[name] = family
    return candidates


def _means(results, names, level, split):
    """{criterion: (accuracy, minus its loss)}, means over networks on a split."""
    means = {}
    for name in names:
        try:
            accuracy = results.column(name, level, "accuracy", split)
            loss = results.column(name, level, "loss", split)
        except (MissingError, KeyError):
            continue
        means[name] = sum(accuracy.values()) / len(accuracy), -sum(loss.values()) / len(loss)
    return means


class Difference(NamedTuple):
    """A difference of test accuracies with its interval, and whether it is told from zero."""

    estimate: float
    low: float
    high: float

    @property
    def tested(self) -> bool:
        """True with an interval; a single draw of a side, for one, has none."""
        return self.low == self.low

    @property
    def told(self) -> bool:
        """True where the interval leaves out zero; without an interval nothing is told."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return wording.interval(self.estimate, self.low, self.high)


def difference(
    results: Results, first: str, second: str, level: float, alpha: float, resamples: int, seed: int
) -> Difference | None:
    """The test accuracy of one criterion minus another's at a level, paired; None where the study lacks one."""
    comparison = Comparison(Side(first), Side(second), (level,))
    try:
        test = paired_tests.test(results, comparison, resamples, seed)
    except (MissingError, KeyError):
        return None
    return Difference(test.estimate, *test.interval(alpha))


def front(points: pandas.DataFrame, cost: str, accuracy: str) -> pandas.DataFrame:
    """The rows that no other row beats: none has a higher accuracy at the same or a lower cost. By falling cost."""
    rows, best = [], -1.0
    ordered = points.sort_values([cost, accuracy], ascending=[True, False], kind="stable")
    for place, value in zip(ordered.index, ordered[accuracy], strict=True):
        if value > best:
            rows.append(place)
            best = value
    return points.loc[rows[::-1]]
