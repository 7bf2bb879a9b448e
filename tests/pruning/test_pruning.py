"""Removal equals masking, and a mask leaves no trace."""

from fractions import Fraction

import hypothesis
import pandas
import pytest
import torch
from hypothesis import strategies

from secateur import cost
from secateur.pruning import groups, masking, removal
from secateur.pruning import plans as pruning_plans
from secateur.study import levels
from secateur.study.levels import Terms
from secateur.units import finding
from support.networks import small_vgg

WIDTHS = {"features.0": 6, "features.3": 8, "features.7": 10}


@strategies.composite
def plans(draw):
    """Channels to remove, at least one of each layer left."""
    return {
        layer: sorted(draw(strategies.sets(strategies.integers(0, width - 1), max_size=width - 1)))
        for layer, width in WIDTHS.items()
    }


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(plans(), strategies.integers(0, 1000))
def test_a_removed_network_equals_the_masked_one(plan, seed):
    model = small_vgg(seed)
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    smaller = removal.removed(model, plan, images)
    with torch.no_grad(), masking.masked(model, plan) as masked:
        torch.testing.assert_close(smaller(images), masked(images), rtol=1e-9, atol=1e-9)
    assert smaller.features[0].out_channels == 6 - len(plan["features.0"])
    assert smaller.features[0].weight.shape[0] == 6 - len(plan["features.0"])


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(plans())
def test_a_mask_leaves_no_trace_even_after_an_error(plan):
    model = small_vgg()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(KeyError), masking.masked(model, plan):
        raise KeyError
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_masked_channel_is_silent_behind_batchnorm(network, pictures):
    with torch.no_grad(), masking.masked(network, {"features.0": [2]}):
        assert (network.features[:3](pictures)[:, 2] == 0).all()


def test_removal_leaves_the_given_model_alone_and_shares_nothing(network, pictures):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    smaller = removal.removed(network, {"features.3": [0, 5]}, pictures)
    with torch.no_grad():
        for parameter in smaller.parameters():
            parameter.zero_()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_network_with_an_empty_layer_is_not_made(network, pictures):
    plan = {"features.3": list(range(8))}
    assert groups.collapsed(network, plan) == ["features.3"]
    with pytest.raises(
        ValueError, match="^nothing would be left of features.3; keep at least one channel of each layer$"
    ):
        removal.removed(network, plan, pictures)


def test_a_layer_collapses_beside_a_norm_without_weights(pictures):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2, affine=False), torch.nn.Flatten(), torch.nn.LazyLinear(2)
    ).double()
    model(pictures)
    assert groups.collapsed(model, {"0": [0, 1]}) == ["0"] and groups.collapsed(model, {"0": [1]}) == []


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"features.1": [0]}, "the model has no layer 'features.1' with channels of its own to remove"),
        ({"features.0": [6]}, "the layer features.0 has 6 channels, none with the index 6"),
    ],
)
def test_foreign_channels_are_refused(network, pictures, plan, message):
    with pytest.raises(ValueError, match=message):
        removal.removed(network, plan, pictures)


@pytest.mark.parametrize(
    ("level", "count", "removed"),
    [(0, 10, 0), (0.25, 10, 3), (0.15, 10, 2), (0.45, 10, 5), (1, 10, 10), (0.3, 4224, 1267)],
)
def test_a_level_rounds_half_up_in_exact_fractions(level, count, removed):
    assert levels.removed_at(level, count) == removed


@hypothesis.given(strategies.integers(0, 1000), strategies.integers(1, 5000))
def test_a_level_removes_the_nearest_number_of_units(thousandths, count):
    found = levels.removed_at(thousandths / 1000, count)
    assert abs(found - Fraction(thousandths, 1000) * count) <= Fraction(1, 2)


def test_a_plan_takes_the_first_units_of_the_ranking():
    table = pandas.DataFrame({"unit": [3, 1, 1, 0, 2], "layer": list("babab"), "channel": [0, 4, 2, 0, 1]})
    assert pruning_plans.plan(table, 0.5) == {"b": [0, 2], "a": [4]}
    assert pruning_plans.plan(table, 0) == {}


def test_what_units_save_is_what_removal_saves(network, pictures):
    dense = cost.count(network, pictures)
    for unit in finding.find(network, pictures).units[::5]:
        ((layer, index),) = unit.channels
        smaller = cost.count(removal.removed(network, {layer: [index]}, pictures), pictures)
        assert dense.parameters - smaller.parameters == unit.parameters
        assert dense.macs - smaller.macs == unit.macs


def test_cost_counts_products_by_hand(network, pictures):
    macs = 3 * 6 * 9 * 64 + 6 * 8 * 9 * 64 + 8 * 10 * 9 * 16 + 40 * 12 + 12 * 5
    assert cost.count(network, pictures).macs == macs
    assert cost.count(network, pictures).parameters == sum(p.numel() for p in network.parameters())


def test_counting_leaves_batchnorm_and_mode_alone(network, pictures):
    network.features.train()
    before = network.features[1].running_mean.clone()
    cost.count(network, pictures)
    assert network.features.training and not network.classifier.training
    assert torch.equal(network.features[1].running_mean, before)


RANKED = pandas.DataFrame({"unit": range(10), "layer": list("aaaabbbbbb"), "channel": [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]})


def test_what_a_floor_keeps_the_next_in_the_ranking_replaces():
    assert pruning_plans.plan(RANKED, 0.4) == {"a": [0, 1, 2, 3]}
    assert pruning_plans.plan(RANKED, 0.4, Terms(1)) == {"a": [0, 1, 2], "b": [0]}
    # Half of four is two, a third of six too; shares are rounded up.
    assert pruning_plans.plan(RANKED, 0.4, Terms(0.5)) == {"a": [0, 1], "b": [0, 1]}
    assert pruning_plans.plan(RANKED, 0.5, Terms(0.26)) == {"a": [0, 1], "b": [0, 1, 2]}


def test_a_floor_that_makes_a_level_impossible_is_told():
    with pytest.raises(
        ValueError, match="level 0.9 is 9 of 10 units, but with keep_at_least 0.5 only 5 can be removed"
    ):
        pruning_plans.plan(RANKED, 0.9, Terms(0.5))


@hypothesis.given(
    strategies.permutations(range(30)), strategies.sampled_from([0, 1, 2, 0.1, 0.2, 0.34]), strategies.data()
)
def test_a_higher_level_removes_more_of_the_same(order, floor, data):
    layers = {unit: "abc"[unit // 10] for unit in range(30)}
    table = pandas.DataFrame({"unit": order, "layer": [layers[u] for u in order], "channel": [u % 10 for u in order]})
    low, high = sorted(data.draw(strategies.tuples(*[strategies.integers(0, 6)] * 2)))
    less, more = (pruning_plans.plan(table, tenths / 10, Terms(floor)) for tenths in (low, high))
    assert sum(map(len, more.values())) == 3 * high
    assert all(set(channels) <= set(more[layer]) for layer, channels in less.items())
    assert all(10 - len(channels) >= levels.floor(floor, 10) for channels in more.values())
