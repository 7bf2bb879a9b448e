"""Which rules need biases in their denominators; the numbers behind it are in tests/relevance/test_propagation.py."""

import pytest
import torch

from secateur.relevance import propagation
from secateur.study import biases, rule_numbers


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


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("epsilon=-1", "but epsilon must be above 0, as in epsilon=0.1"),
        ("epsilon=0", "but epsilon must be above 0, as in epsilon=0.1"),
        (
            "epsilon=1e999",
            "but '1e999' is no number that a rule can have, as 0.1 or 1e-3 are; epsilon must be above 0, as",
        ),
        ("gamma=-0.25", "but gamma must be at least 0, as in gamma=0.25"),
        ("epsilon=1e-31", "but epsilon must be above 0, as in epsilon=0.1, and from 1e-30 to 1e6"),
        ("gamma=1e7", "but gamma must be at least 0, as in gamma=0.25, and at most 1e6"),
        ("gamma=nan", "but 'nan' is no number that a rule can have, as 0.1 or 1e-3 are; gamma must be at least 0, as"),
        ("alpha2beta2", "but alpha - beta must be 1, and beta at least 0, as in alpha2beta1"),
        ("alpha0.5beta-0.5", "but alpha - beta must be 1, and beta at least 0, as in alpha2beta1"),
        ("zbox=1,0", "but the low end must be below the high one, as in zbox=-1,1"),
        ("zbox=1,1", "but the low end must be below the high one, as in zbox=-1,1"),
        ("zbox=1", "but the low end must be below the high one, as in zbox=-1,1"),
    ],
)
def test_numbers_that_a_rule_cannot_have_are_named(rule, message):
    assert rule_numbers.complaint(rule).startswith(message)


@pytest.mark.parametrize(
    "rule",
    [
        "alpha2beta1",
        "alpha1beta0",
        "alpha1.5beta0.5",
        "zplus",
        "epsilon",
        "epsilon=0.1",
        "epsilon=1e-30",
        "epsilon=1e-6",
        "gamma=0",
    ]
    + ["gamma=0.25", "zbox=-1,1", "flat", "gradient", *biases.COMPOSITES],
)
def test_numbers_that_a_rule_can_have_pass(rule):
    assert rule_numbers.complaint(rule) is None


def test_propagate_refuses_such_numbers_too():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(2, 2)).eval()
    images = torch.zeros(1, 1, 3, 3)
    for rule in ("epsilon=-1", {0.5: "zplus", 1: "zbox=1,0"}):
        with pytest.raises(
            ValueError, match="^the rule is (epsilon=-1, but epsilon|zbox=1,0, but the low end) must be "
        ):
            propagation.propagate(model, images, rule)
