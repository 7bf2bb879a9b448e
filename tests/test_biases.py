"""Which rules need biases in their denominators; the numbers behind it are in test_relevance.py."""

import pytest

from secateur import biases


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("alpha2beta1", False),
        ("zplus", False),
        ("gradient", False),
        ("gradient_x_input", False),
        ("epsilon", True),
        ("epsilon=0.1", True),
        ("gamma", True),
        ("gamma=0.25", True),
        ("epsilon_plus_flat", True),
        ("epsilon_alpha2_beta1_flat", True),
        ("epsilon_gamma_flat", True),
        ([{"to": 0.3, "rule": "alpha2beta1"}, {"to": 1, "rule": "epsilon"}], True),
        ([{"to": 0.3, "rule": "alpha2beta1"}, {"to": 1, "rule": "zplus"}], False),
        ({0.3: "gamma=0.5", 1: "zplus"}, True),
        ({0.3: "flat", 1: "zplus"}, False),
    ],
)
def test_the_bias_follows_the_rule_and_going_against_it_explodes(rule, expected):
    assert biases.bias_of(rule) is expected
    assert biases.explodes(rule, False) is expected
    assert not biases.explodes(rule, True) and not biases.explodes(rule, None)


def test_the_warning_names_the_reading_and_the_rules_that_need_the_bias():
    assert biases.warning("mine", {"rule": "alpha2beta1", "bias": False}) is None
    assert biases.warning("mine", {"rule": "epsilon=0.1", "bias": True}) is None
    assert biases.warning("mine", {"rule": "epsilon_gamma_flat", "bias": False}) == (
        "readings.mine: bias is false, but the rule gamma and epsilon needs the bias in its denominators, which come "
        "close to zero without it, so that relevance explodes; leave bias out, which follows the rule, or say true"
    )
