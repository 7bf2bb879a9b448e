"""Verdicts by a margin to one side and to both, and intervals that are widened for the number of comparisons."""

from types import SimpleNamespace

import pytest
from scipy import stats

from secateur.analysis.paired_tests import FAILS, HOLDS, UNKNOWN
from secateur.verdicts import paired
from secateur.verdicts.across import Difference
from secateur.verdicts.paired import Claim, Compared, Finding

NAN = float("nan")
FIVE = SimpleNamespace(label="five", seeds=[0, 1, 2, 3, 4], settings={"figures": {"confidence": 0.95}})
ONE = SimpleNamespace(label="one", seeds=[0], settings={"figures": {"confidence": 0.95}})


def item(pair, low, high, margin=0.0, two_sided=False):
    compared = Compared(0.5, 0.5, Difference((low + high) / 2, low, high), "5 seeds")
    return paired.item({"compared": pair}, compared, margin, at_chance=False, two_sided=two_sided)


def finding(key, *items, study=FIVE, level="90 %"):
    return Finding(Claim(key, "A sentence.", lambda study: iter(())), study, items, level)


@pytest.mark.parametrize(
    ("low", "high", "one_sided", "two_sided", "side"),
    [
        (-0.5, 0.5, HOLDS, HOLDS, ""),
        (0.2, 0.8, HOLDS, HOLDS, "ahead, within the margin"),
        (-0.8, -0.2, HOLDS, HOLDS, "behind, within the margin"),
        (0.2, 1.5, HOLDS, UNKNOWN, "ahead"),
        (1.1, 1.5, HOLDS, FAILS, "ahead"),
        (-1.5, -1.1, FAILS, FAILS, "behind"),
        (-1.5, 0.5, UNKNOWN, UNKNOWN, ""),
        (-1.5, 1.5, UNKNOWN, UNKNOWN, ""),
        (NAN, NAN, UNKNOWN, UNKNOWN, ""),
    ],
)
def test_within_the_margin_is_judged_to_both_sides_in_one_row(low, high, one_sided, two_sided, side):
    assert paired.verdict(Difference(0.0, low, high), 1.0) == one_sided
    judged = item("`a` against `b`", low, high, 1.0, two_sided=True)
    assert (judged.verdict, judged.side) == (two_sided, side)
    # The other way round it is the same comparison.
    assert item("`b` against `a`", -high, -low, 1.0, two_sided=True).verdict == two_sided


def test_a_pair_of_networks_with_one_margin_is_one_comparison():
    same = [item("`a` against `b`", 0.5, 1.5), item("`b` against `a`", -1.5, -0.5)]
    others = [item("`a` against `c`", -2, 2), item("`a` against `b`", -2, 2, margin=1.0)]
    findings = [finding("x", same[0], others[0]), finding("y", same[1]), finding("z", others[1])]
    (line,) = paired.widened("five", findings)
    assert line.startswith("five: of three comparisons one is decided.")
    (line,) = paired.widened("five", [*findings, finding("x", same[0], level="80 %")])
    assert line.startswith("five: of four comparisons two are decided.")


def test_verdicts_that_widened_intervals_do_not_keep_are_marked():
    factor = stats.t.ppf(1 - 0.05 / 4, 4) / stats.t.ppf(1 - 0.05 / 2, 4)
    kept = item("`a` against `b`", 1 - 0.99 / factor, 1 + 0.99 / factor)
    lost = item("`a` against `c`", 1 - 1.01 / factor, 1 + 1.01 / factor)
    first, second = paired.marked([finding("x", kept), finding("y", lost)])
    assert (first.stays, second.stays) == (True, False)
    assert [row["verdict"] for row in paired.rows([first, second])] == ["holds", "holds (not when widened)"]
    assert first.cell == "**holds** (1 of 1 hold)" and second.cell == "**holds**, not when widened (1 of 1 hold)"
    assert second.sentence == "**holds**, not when widened; its one comparison holds"
    (line,) = paired.widened("five", [finding("x", kept), finding("y", lost)])
    assert line.endswith("these stay so: (x) `a` against `b` at 90 %.")


def test_both_sides_of_a_margin_are_widened():
    within = item("`a` against `b`", -0.4, 0.9, margin=1.0, two_sided=True)
    beyond = item("`a` against `c`", 1.1, 1.6, margin=1.0, two_sided=True)
    not_worse = item("`a` against `d`", -0.4, 0.9, margin=1.0)
    (marked,) = paired.marked([finding("x", within, beyond, not_worse)])
    assert [one.stays for one in marked.items] == [False, False, True]
    assert marked.items[1].words == "fails (ahead; not when widened)"


def test_a_verdict_that_other_comparisons_carry_stays():
    carried = [item("`a` against `b`", -20.2, -20), item("`a` against `c`", -2.01, -0.01)]
    (marked,) = paired.marked([finding("x", *carried)])
    assert [one.stays for one in marked.items] == [True, False] and marked.verdict == "fails" and marked.stays


def test_one_network_has_nothing_to_widen():
    (marked,) = paired.marked([finding("x", item("`a` against `b`", 0.001, 2), study=ONE)])
    assert marked.stays and not list(paired.widened("one", [marked]))
