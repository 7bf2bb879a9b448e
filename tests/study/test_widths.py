"""Widths of settings: what they name, the level that meets them, and each mistake in one line."""

from fractions import Fraction

import hypothesis
import pytest
from hypothesis import strategies

from secateur import Refused
from secateur.study import widths
from secateur.study.levels import removed_at

COUNTS = {"stem": 16, "one": 16, "two": 32, "16": 8}


def test_a_width_stands_for_all_layers_of_it_and_a_name_wins():
    assert widths.resolved({"16": 4, "32": 8}, {"a": 16, "b": 32, "c": 16, "d": 64}, "x") == {
        "a": 4, "b": 8, "c": 4, "d": 64,
    }  # fmt: skip
    assert widths.resolved({"16": 4, "c": 9}, {"a": 16, "c": 16}, "x") == {"a": 4, "c": 9}
    # A layer may have a number for a name, as those of a Sequential have; then it is that layer alone.
    assert widths.resolved({"16": 4}, COUNTS, "x") == COUNTS | {"16": 4}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"32": 0}, "x keeps 0 of layers of 32 units; keep 1 or more"),
        ({"one": 0}, "x keeps 0 of one; keep 1 or more"),
        ({"32": 33}, "x keeps 33 of the 32 units of two; keep 32 or fewer"),
        ({"64": 3}, "x names layers of 64 units, but there are none; layers have 8, 16, 32"),
        (
            {"twoo": 3},
            "x names the layer twoo, in which no unit is counted; did you mean two?; a unit of several layers counts "
            "in the first of them",
        ),
        ({"two": 32}, "x keeps all units of every layer; keep fewer of some, or leave it out"),
    ],
)
def test_widths_that_the_network_cannot_have_are_one_line(given, message):
    with pytest.raises(Refused) as refused:
        widths.resolved(given, COUNTS, "x")
    assert str(refused.value) == message


@hypothesis.given(
    strategies.integers(2, 3000).flatmap(lambda n: strategies.tuples(strategies.integers(1, n - 1), strategies.just(n)))
)
def test_the_level_that_meets_a_count_is_the_shortest_decimal_that_does(drawn):
    count, units = drawn
    found = widths.level(count, units)
    assert removed_at(found, units) == count and float(f"{float(found):.9g}") == float(found)
    digits = len(found) - 2
    shorter = 10 ** (digits - 1)
    # No decimal with a digit less lies in [count - 1/2, count + 1/2) / units.
    assert not any(
        Fraction(2 * count - 1, 2 * units) <= Fraction(number, shorter) < Fraction(2 * count + 1, 2 * units)
        for number in range(shorter * (2 * count - 1) // (2 * units), shorter * (2 * count + 1) // (2 * units) + 2)
    )


def test_the_level_to_add_is_said():
    assert widths.met_by([0, 0.3482, 0.5], 702, 2016, "x") == 0.3482
    with pytest.raises(Refused) as refused:
        widths.met_by([0, 0.3], 702, 2016, "criteria.scores: even")
    assert str(refused.value) == (
        "criteria.scores: even removes 702 of 2,016 units, which none of the study's levels does; levels: add 0.348"
    )
    # Of very many units no level of nine digits need remove just so many.
    with pytest.raises(Refused, match="^no level of 9 digits removes 1 of 4000000001 units; keep more or fewer$"):
        widths.level(1, 4 * 10**9 + 1)


def test_keys_are_text_and_none_stands_twice():
    assert widths.as_text({32: 8, "a": 3, 16: 4}, "x") == {"16": 4, "32": 8, "a": 3}
    with pytest.raises(Refused, match="^x names the width 16 twice, as a number and as text; keep one of them$"):
        widths.as_text({16: 8, "16": 9}, "x")
