"""From claims and tables to findings: every claim is asked of every comparison, and corrected for their number."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import pandas

from secateur.analysis import paired_tests
from secateur.analysis.paired_tests import HOLDS, UNKNOWN, Comparison, Shift
from secateur.analysis.results import MissingError
from secateur.verdicts import evidence, thesis_claims


@dataclasses.dataclass(frozen=True)
class Item:
    """One comparison after the test: fractions, the interval at Holm's level `alpha`, and its own verdict."""

    comparison: Comparison | Shift
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    alpha: float
    n: int
    verdict: str
    note: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """A claim with its verdict for one reading; `missing` says why it could not be tested."""

    name: str
    claim: evidence.Claim
    reading: str
    verdict: str = ""
    printed: str = ""
    items: tuple[Item, ...] = ()
    by_level: pandas.DataFrame | None = None
    empty: tuple[tuple[str, float, list[str]], ...] = ()
    extra: tuple[tuple[str, Any], ...] = ()
    missing: str = ""


def judge(study: evidence.Study, alpha: float, resamples: int, seed: int) -> list[Finding]:
    """Every claim for every reading, judged with Holm's procedure over all comparisons at once.

    A comparison that serves several claims is tested and counted once.
    """
    asked = [_asked(study, name, claim, reading) for name, claim, reading in _cases(study)]
    family = list(dict.fromkeys(one for _, evidence in asked if evidence for one in evidence.comparisons))
    draws = paired_tests.draws_needed(len(family), alpha, resamples)
    tests = [paired_tests.test(study.results, one, draws, seed) for one in family]
    p_values = [_p_value(study.results, one, test) for one, test in zip(family, tests, strict=True)]
    levels = paired_tests.holm(p_values, alpha)
    judged = {
        one: _item(study.results, one, test, p, float(level))
        for one, test, p, level in zip(family, tests, p_values, levels, strict=True)
    }
    return [
        _settled(study, finding, evidence, judged, alpha, resamples, seed) if evidence else finding
        for finding, evidence in asked
    ]


def family_size(findings: Iterable[Finding]) -> int:
    """How many comparisons Holm's procedure ran over."""
    return len({item.comparison for finding in findings for item in finding.items})


def _cases(study):
    for name, claim in thesis_claims.CLAIMS.items():
        yield from ((name, claim, reading) for reading in (study.readings if claim.by_reading else [""]))


def _asked(study, name, claim, reading):
    """(the finding so far, its evidence), or with the reason for which there is none."""
    try:
        evidence = claim.evidence(study, reading) if claim.by_reading else claim.evidence(study)
        for one in evidence.comparisons:
            paired_tests.check(study.results, one)
    except MissingError as error:
        return Finding(name, claim, reading, missing=str(error)), None
    return Finding(name, claim, reading, printed=evidence.printed), evidence


def _settled(study, finding, evidence, judged, alpha, resamples, seed):
    items = tuple(judged[one] for one in evidence.comparisons)
    rule = finding.claim.rule or thesis_claims.all_hold
    return dataclasses.replace(
        finding,
        verdict=rule([item.verdict for item in items]),
        items=items,
        by_level=_by_level(study.results, items, alpha, resamples, seed),
        empty=tuple(_empty(study.results, items)),
        extra=tuple(
            (kind, make(study, *rest, alpha, resamples, seed) if callable(make) else make)
            for kind, make, *rest in evidence.extra
        ),
    )


def _same(results, comparison):
    """Whether each of several networks gets equally many images right by both sides, which leaves no spread at all."""
    several = len(results.seeds) > 1 and isinstance(comparison, Comparison)
    return several and not any(paired_tests.seed_differences(results, comparison))


def _p_value(results, comparison, test):
    return 0.0 if comparison.margin and _same(results, comparison) else paired_tests.p_value(test)


def _item(results, comparison, test, p, alpha):
    low, high = test.interval(alpha)
    settled = paired_tests.verdict(test, alpha)
    first, second = paired_tests.sides(results, comparison)
    note, same = "", _same(results, comparison)
    if same:
        low, high, settled = 0.0, 0.0, HOLDS if comparison.margin else UNKNOWN
    if paired_tests.at_chance(results, comparison):
        settled, note = UNKNOWN, "at chance, so that nothing can be compared"
    elif same:
        note = "equally many images right in every network"
    elif paired_tests.drawn(results, comparison) == 1 and len(results.seeds) == 1:
        note = "one draw of the control, so that there is no interval"
    elif low == high == 0:
        note = "the same images right"
    elif low != low and len(results.seeds) > 1:
        note = "the same difference in every network, which leaves no interval"
    return Item(comparison, first, second, test.estimate, low, high, p, alpha, test.n, settled, note)


def _by_level(results, items, alpha, resamples, seed):
    """The averaged comparisons at each of their levels, with intervals of each alone at `alpha`."""
    rows = [
        evidence.pointwise(results, item.comparison.first, item.comparison.second, level, alpha, resamples, seed)
        for item in items
        if isinstance(item.comparison, Comparison) and len(item.comparison.levels) > 1
        for level in item.comparison.levels
    ]
    return pandas.DataFrame(rows) if rows else None


def _empty(results, items):
    """(label, level, layers) wherever a side has lost a whole layer."""
    seen = {}
    for comparison in (item.comparison for item in items if isinstance(item.comparison, Comparison)):
        for side in (comparison.first, comparison.second):
            for level in comparison.levels:
                if (side.label, level) not in seen:
                    seen[side.label, level] = results.empty(side, level)
    return [(label, level, layers) for (label, level), layers in seen.items() if layers]
