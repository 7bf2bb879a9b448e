"""Findings from claims and tables: every claim is judged by its comparisons, corrected for their number."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import pandas

from secateur.analysis import paired_tests
from secateur.analysis.paired_tests import HOLDS, UNKNOWN, Comparison, Shift
from secateur.analysis.results import MissingError
from secateur.verdicts import evidence, thesis_claims

AT_CHANCE = "at chance, so that nothing can be compared"


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
    """A claim with its verdict for one reading; `missing` is the reason for which it could not be tested."""

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
    cases = [_asked(study, *case) for case in _cases(study)]
    family = {}
    for _, material in cases:
        if material:
            family |= dict.fromkeys(material.comparisons)
    items = _tested(study.results, list(family), alpha, resamples, seed)
    findings = []
    for finding, material in cases:
        if material:
            finding = _settled(study, finding, material, items, (alpha, resamples, seed))
        findings.append(finding)
    return findings


def _tested(results, family, alpha, resamples, seed):
    """{comparison: its Item} of all comparisons, corrected together."""
    draws = paired_tests.draws_needed(len(family), alpha, resamples)
    tests = [paired_tests.test(results, comparison, draws, seed) for comparison in family]
    p_values = list(map(functools.partial(_p_value, results), family, tests))
    items = {}
    for place, level in enumerate(paired_tests.holm(p_values, alpha)):
        comparison = family[place]
        items[comparison] = _item(results, comparison, tests[place], p_values[place], float(level))
    return items


def family_size(findings: Iterable[Finding]) -> int:
    """The count of comparisons that Holm's procedure ran over."""
    family = set()
    for finding in findings:
        family.update(item.comparison for item in finding.items)
    return len(family)


def _cases(study):
    """(name, claim, reading) of every judgement; no reading where a claim is judged once for all."""
    for name, claim in thesis_claims.CLAIMS.items():
        for reading in _readings(study, claim):
            yield name, claim, reading


def _readings(study, claim):
    return study.readings if claim.by_reading else [""]


def _asked(study, name, claim, reading):
    """(the finding so far, its evidence), or (the finding with the reason for which there is none, None)."""
    try:
        material = _evidence(study, claim, reading)
        for comparison in material.comparisons:
            paired_tests.check(study.results, comparison)
    except MissingError as error:
        return Finding(name, claim, reading, missing=str(error)), None
    return Finding(name, claim, reading, printed=material.printed), material


def _evidence(study, claim, reading):
    if claim.by_reading:
        return claim.evidence(study, reading)
    return claim.evidence(study)


def _settled(study, finding, material, items, how):
    """The finding with its verdict; `how` is (alpha, resamples, seed)."""
    judged = tuple(map(items.get, material.comparisons))
    rule = finding.claim.rule or thesis_claims.all_hold
    extra = []
    for kind, content, *rest in material.extra:
        if callable(content):
            content = content(study, *rest, *how)
        extra.append((kind, content))
    return dataclasses.replace(
        finding,
        verdict=rule([item.verdict for item in judged]),
        items=judged,
        by_level=_by_level(study.results, judged, *how),
        empty=tuple(_empty(study.results, judged)),
        extra=tuple(extra),
    )


def _same(results, comparison):
    """Tell whether each of several networks has equally many right images on both sides, which leaves no spread."""
    several = len(results.seeds) > 1 and isinstance(comparison, Comparison)
    return several and not any(paired_tests.seed_differences(results, comparison))


def _p_value(results, comparison, test):
    if comparison.margin and _same(results, comparison):
        return 0.0
    return paired_tests.p_value(test)


def _item(results, comparison, test, p, alpha):
    low, high = test.interval(alpha)
    verdict = paired_tests.verdict(test, alpha)
    same = _same(results, comparison)
    if same:
        low = high = 0.0
        verdict = HOLDS if comparison.margin else UNKNOWN
    note = _note(results, comparison, same, (low, high))
    if note == AT_CHANCE:
        verdict = UNKNOWN
    first, second = paired_tests.sides(results, comparison)
    return Item(comparison, first, second, test.estimate, low, high, p, alpha, test.n, verdict, note)


def _note(results, comparison, same, interval):
    """The reason for which an interval is unlike others, or nothing."""
    several = len(results.seeds) > 1
    if paired_tests.at_chance(results, comparison):
        return AT_CHANCE
    if same:
        return "equally many images right in every network"
    if not several and paired_tests.drawn(results, comparison) == 1:
        return "one draw of the control, so that there is no interval"
    low, high = interval
    if low == high == 0:
        return "the same images right"
    if several and low != low:
        return "the same difference in every network, which leaves no interval"
    return ""


def _by_level(results, items, alpha, resamples, seed):
    """The averaged comparisons at each of their levels, with intervals of each alone at `alpha`; None without any."""
    rows = []
    for compared in _accuracies(items):
        sides = (compared.first, compared.second)
        if len(compared.levels) > 1:
            for level in compared.levels:
                rows.append(evidence.pointwise(results, *sides, level, alpha, resamples, seed))
    return pandas.DataFrame(rows) if rows else None


def _accuracies(items):
    """The comparisons of accuracies, without shifts of a delta."""
    return [item.comparison for item in items if isinstance(item.comparison, Comparison)]


def _empty(results, items):
    """(label, level, layers) wherever a side has lost a whole layer."""
    seen = set()
    for compared in _accuracies(items):
        for side in (compared.first, compared.second):
            for level in compared.levels:
                layers = results.empty(side, level)
                if layers and (side.label, level) not in seen:
                    yield side.label, level, layers
                seen.add((side.label, level))
