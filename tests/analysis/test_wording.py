"""Numbers as words."""

from secateur.analysis import wording


def test_a_difference_that_rounds_to_zero_has_no_minus_sign():
    assert wording.interval(-0.0001, -0.0004, 0.0004) == "+0.0 [+0.0, +0.0]"
    assert wording.interval(-0.0006, -0.02, 0.0) == "-0.1 [-2.0, +0.0]"
