"""Levels as shares of parameters and multiply-adds: counted exactly, met by the fewest units, refused if impossible."""

import re

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies

from secateur import cost, ranking
from secateur.models import zoo
from secateur.pruning import groups, plans, removal, sweep
from secateur.retraining import steps as retraining_steps
from secateur.study import level_checks, settings
from secateur.study.levels import Terms
from secateur.units import coupling, finding
from support.networks import OWN, pixels, stirred
from support.removal import drawn

ZOO = ("vgg_small", "resnet20", "mobilenet_v1", "densenet40_24")
COUNTED = ("parameters", "macs")


def ordered(model, images, seed=0, residual="units"):
    """(a random ranking, the coupled) of a model."""
    found = finding.find(model, images, residual)
    return ranking.table(ranking.at_random(len(found.units), seed), finding.table(found)), found.coupled


def small(name):
    torch.manual_seed(0)
    return zoo.build(name, 10).eval()


@pytest.mark.parametrize("network", [*OWN, *ZOO])
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_what_is_counted_is_what_is_left(network, share):
    model, images = (small(network), pixels().float()) if network in ZOO else (stirred(network()), pixels())
    found = finding.find(model, images)
    channels = drawn(found, share)
    smaller = removal.removed(model, channels, images, found.coupled)
    left = cost.of_positions(smaller, cost.positions(model, images))
    assert cost.Counter(found.coupled).left(groups.removed_by(found.coupled, channels)) == left


def test_a_weight_that_two_layers_share_counts_once():
    class Shared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = (torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
            self.two.weight = self.one.weight
            self.end = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.end(self.two(self.one(x)).mean((2, 3)))

    model = Shared()
    followed = coupling.followed(model, pixels().float())
    left = cost.Counter(followed).left(np.zeros(len(followed.sizes), bool))
    assert left.parameters == sum(parameter.numel() for parameter in model.parameters()) == 81 + 6 + 8


@pytest.mark.parametrize("budget", COUNTED)
@pytest.mark.parametrize("name", ["vgg_small", "resnet20"])
@hypothesis.given(
    tenths=strategies.integers(0, 9), seed=strategies.integers(0, 99), floor=strategies.sampled_from([0, 1])
)
@hypothesis.settings(max_examples=10, deadline=None)
def test_the_fewest_units_go_that_save_the_share(name, budget, tenths, seed, floor):
    model, images = small(name), pixels().float()
    order, followed = ordered(model, images, seed)
    plan = plans.plan(order, tenths / 10, Terms(floor, 1, budget), followed)
    dense = getattr(cost.count(model, images), budget)
    saved = lambda channels: dense - getattr(cost.Counter(followed).left(groups.removed_by(followed, channels)), budget)  # noqa: E731
    assert saved(plan) >= dense * tenths / 10
    assert plans.realised(order, plan, budget, followed) == pytest.approx(saved(plan) / dense)
    if plan and not floor:
        count = plans.units_of(order, plan)
        rows = order[order["unit"].isin(order["unit"].drop_duplicates()[: count - 1])]
        assert saved({layer: list(part["channel"]) for layer, part in rows.groupby("layer")}) < dense * tenths / 10


def test_the_dense_network_is_level_zero_of_every_budget():
    order, followed = ordered(small("vgg_small"), pixels().float())
    assert [plans.plan(order, 0, Terms(budget=budget), followed) for budget in COUNTED] == [{}, {}]


def test_a_budget_other_than_units_needs_the_coupling_of_the_network():
    order, _ = ordered(small("vgg_small"), pixels().float())
    with pytest.raises(ValueError, match=re.escape("the budget macs needs the Coupling of the network")):
        plans.plan(order, 0.5, Terms(budget="macs"))
    with pytest.raises(ValueError, match=re.escape("the budget parameters needs the Coupling of the network")):
        plans.realised(order, {}, "parameters")


def test_a_budget_that_cannot_be_met_says_how_much_can():
    model, images = small("vgg_small"), pixels().float()
    order, followed = ordered(model, images)
    most = plans.realised(order, plans.plan(order, 1), "macs", followed)
    with pytest.raises(ValueError, match=re.escape("of 10,132,096 multiply-adds, but with keep_at_least 0.5 no more")):
        plans.plan(order, 0.9, Terms(0.5, 1, "macs"), followed)
    found = finding.find(model, images)
    terms = [{"keep_at_least": 0, "round_to": 1, "budget": "macs"}]
    plans.refuse_level(found, 0.99, terms)
    assert most > 0.9999
    with pytest.raises(ValueError, match="removes all 528 units of the network, and nothing would be left"):
        plans.refuse_level(found, most, terms)


def test_points_say_the_share_of_what_is_counted():
    model, images = small("resnet20"), pixels(count=8).float()
    order, _ = ordered(model, images)
    network = sweep.Network(model, lambda: [(images, torch.zeros(8, dtype=int))], np.zeros(8, int), images)
    dense, half = network.points(order, [0, 0.5], Terms(1, budget="macs"))
    assert dense.realised == 0 and 0.5 <= half.realised < 0.52
    assert half.cost.macs == pytest.approx((1 - half.realised) * dense.cost.macs)
    rounded = next(network.points(order, [0.5], Terms(1, 4, "macs")))
    widths = groups.widths(network.coupled, {})
    assert all((1 - share) * widths[layer] % 4 == 0 for layer, share in rounded.removed.items())
    assert 0.5 <= rounded.realised < 0.7


def test_only_inner_channels_can_be_ranked_and_no_others():
    model, images = small("resnet20"), pixels(count=8).float()
    order, _ = ordered(model, images, residual="inner")
    network = sweep.Network(model, lambda: [(images, torch.zeros(8, dtype=int))], np.zeros(8, int), images)
    point = next(network.points(order, [0.5], Terms(budget="parameters")))
    assert {layer for layer, share in point.removed.items() if share} <= set(order["layer"])
    assert all(layer.endswith("conv1") and layer != "conv1" for layer in order["layer"])
    with pytest.raises(ValueError, match="rank this very network"):
        next(network.points(order[order["layer"] != "layer1.0.conv1"], [0.5]))


def test_steps_to_a_rounded_width_hold_each_other():
    model, images = small("resnet20"), pixels().float()
    order, followed = ordered(model, images)
    steps = retraining_steps.plans(order, 0.6, 3, Terms(1, 8, "macs"), followed)
    assert steps[-1] == plans.plan(order, 0.6, Terms(1, 8, "macs"), followed)
    sets = [{(layer, index) for layer, part in plan.items() for index in part} for plan in steps]
    assert sets[0] < sets[1] < sets[2]


def test_terms_are_one_for_each_floor():
    evaluation = settings.checked({"study": "a", "data": {"source": "digits"}, "model": {"name": "vgg_small"}})[
        "evaluation"
    ]
    assert level_checks.terms(evaluation | {"keep_at_least": [0, 2], "budget": "macs"}) == [
        {"keep_at_least": floor, "round_to": 1, "budget": "macs"} for floor in (0, 2)
    ]
