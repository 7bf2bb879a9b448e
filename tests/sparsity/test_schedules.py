"""Ramps between two bounds, and scales of gradients from high to low."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur import Refused
from secateur.sparsity import schedules

FEATHER = {
    "start": 0,
    "ramp": 0.5,
    "deadline": 0.8,
    "slowest": 1,
    "fastest": 1,
    "family": "hyperbolic",
    "reference": 0.03,
}
ADAPTIVE = FEATHER | {"slowest": 0.25}
STEPS, EPOCHS = 300, 15


def progress(options, shares=()):
    ramp = schedules.Ramp(STEPS, EPOCHS, options)
    shares, row = iter(shares), []
    for step in range(STEPS):
        row.append(ramp.at(step))
        if step % ramp.interval == 0:
            ramp.measured(next(shares, 0.0))
    return row


def feather(steps=STEPS, delay=0):
    return [min(Fraction(1), max(Fraction(0), Fraction(step - delay, steps // 2))) for step in range(steps)]


def test_with_one_speed_the_ramp_is_feathers_in_exact_fractions():
    assert progress(FEATHER, [5.0] * 200) == feather()
    # Nothing comes back: the adaptive ramp is Feather's too.
    assert progress(ADAPTIVE) == feather()
    later = progress(FEATHER | {"start": 3})
    assert later[60] == 0 and later[61] == Fraction(1, 90) and later[150] == 1


@given(st.lists(st.floats(0, 10), max_size=160), st.sampled_from(sorted(schedules.FAMILIES)))
def test_an_adaptive_ramp_lies_between_feathers_and_the_same_delayed(shares, family):
    row = progress(ADAPTIVE | {"family": family}, shares)
    late = feather(delay=math.floor(0.8 * STEPS) - STEPS // 2)
    for step, (fast, mine, slow) in enumerate(zip(feather(), row, late, strict=True)):
        assert slow <= mine <= fast, step
    assert row == sorted(row) and row[240] == 1


def test_regrowth_slows_the_ramp_by_its_family():
    for family, speed in {"hyperbolic": 1 / 2, "exponential": math.exp(-1), "linear": 0.0}.items():
        ramp = schedules.Ramp(STEPS, EPOCHS, ADAPTIVE | {"family": family})
        ramp.regrowth = 0.03
        assert float(ramp.speed) == pytest.approx(0.25 + 0.75 * speed)
        before = ramp.at(1)
        assert float(ramp.at(2) - before) == pytest.approx(float(ramp.speed) / 150)


def test_weights_are_compared_ten_times_an_epoch():
    assert schedules.Ramp(STEPS, EPOCHS, FEATHER).interval == 2
    assert schedules.Ramp(30, 15, FEATHER).interval == 1
    ramp = schedules.Ramp(STEPS, EPOCHS, FEATHER)
    ramp.measured(0.1)
    ramp.measured(0.2)
    assert ramp.regrowth == pytest.approx(0.7 * 0.03 + 0.06)


@pytest.mark.parametrize("change", [{"start": 8}, {"ramp": 0.9}, {"deadline": 1}, {"ramp": 0}])
def test_a_ramp_that_ends_before_it_begins_or_after_its_deadline_is_refused(change):
    with pytest.raises(Refused, match="give start, ramp and deadline in this order"):
        schedules.Ramp(STEPS, EPOCHS, FEATHER | change)


def test_a_speed_with_which_a_ramp_could_meet_its_deadline_only_by_a_jump_is_refused():
    """At 0.5, half of the progress is left at the deadline, which the first step would have to make up for."""
    with pytest.raises(Refused, match="with fastest: 0.5, unless it begins with a jump"):
        schedules.Ramp(STEPS, EPOCHS, ADAPTIVE | {"fastest": 0.5})
    # From 0 to 1 at 0.625 of the speed is from 0 to the deadline.
    just = progress(ADAPTIVE | {"fastest": 0.625}, [5.0] * 200)
    assert max(after - before for before, after in zip(just, just[1:], strict=False)) <= Fraction(1, 150)
    assert just[239] < 1 == just[240]


SCALES = {"scale_high": 1.0, "scale_low": 0.5, "kappa": 20}


@given(st.lists(st.floats(0, 0.999), min_size=2), st.sampled_from(sorted(schedules.SCALES)))
def test_scales_never_rise_with_the_sparsity(sparsities, scale):
    row = [schedules.scale_at(one, 0.98, SCALES | {"scale": scale}) for one in sorted(sparsities)]
    assert row == sorted(row, reverse=True) and 0.5 <= min(row) <= max(row) <= 1


def test_scales_are_those_of_their_formulas():
    def at(sparsity, final=0.98, **options):
        return schedules.scale_at(sparsity, final, SCALES | options)

    assert [at(0.5, final, scale="const") for final in (0.9, 0.95, 0.951, 0.995)] == [1, 1, 0.5, 0.5]
    assert at(0.5, scale="const", scale_low=0, scale_high=0) == 0
    power = [round(at(one, scale="power"), 2) for one in (0.9, 0.95, 0.98, 0.99, 0.995)]
    assert power == [0.94, 0.82, 0.67, 0.59, 0.55]
    assert at(0.5, scale="power", kappa=1) == 0.75
    assert at(0.9, scale="logdensity") == pytest.approx(0.75) and at(0.99, scale="logdensity") == pytest.approx(0.5)
    assert [at(one, scale="step") for one in (0.95, 0.96)] == [1, 0.5]
    assert at(0.5, scale="cosine") == pytest.approx(0.75)
