"""Rankings in steps: what is left is scored on the network that is left, against steps by hand."""

import numpy as np
import pytest
import torch

from secateur import Refused, ranking, statistics
from secateur.criteria import from_weights
from secateur.models import zoo
from secateur.pruning import plans, removal, rescoring
from secateur.study.levels import Terms
from secateur.units import coupling, finding
from support.networks import pixels


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    model = zoo.build("vgg_small", 4, widths=[6, 6, 8, 8, 10, 10], hidden=6).double().eval()
    images = pixels(size=8, count=4)
    return model, finding.table(finding.find(model, images)), coupling.followed(model, images)


def l1(model):
    return from_weights.of_weights(model, "l1")


def order_of(network, steps, recover=None, **options):
    model, units, coupled = network

    def narrowed(smaller, channels):
        return removal.narrowed(model, channels, coupled).eval()

    return rescoring.rescored(model, units, coupled, l1, steps, recover or narrowed, **options)


def test_one_step_is_the_ranking_itself(network):
    model, units, _ = network
    scores = statistics.of_scores(l1(model))
    assert order_of(network, [0.5]) == ranking.of_scores(scores, units).tolist()


def test_what_is_left_is_ordered_by_the_filters_without_the_inputs_that_left(network):
    model, units, coupled = network
    terms = Terms(keep_at_least=0.25)
    order, first = (order_of(network, steps, terms=terms) for steps in ([0.3, 0.6], [0.6]))
    removed = plans.plan(ranking.table(first, units), 0.3, terms, coupled)
    count = plans.units_of(units, removed)
    assert set(order[:count]) == rescoring._units_of(units, removed) and order != first
    places = units.set_index("unit")
    gone = {}
    for unit in order[:count]:
        gone.setdefault(places.loc[unit, "layer"], []).append(int(places.loc[unit, "channel"]))
    layers, sums = list(dict.fromkeys(units["layer"])), {}
    for unit in order[count:]:
        layer, channel = places.loc[unit, "layer"], int(places.loc[unit, "channel"])
        filters = model.get_submodule(layer).weight.detach()[channel].abs()
        before = layers.index(layer) - 1
        if before >= 0:
            filters = np.delete(filters.numpy(), gone.get(layers[before], []), 0)
        sums[unit] = float(filters.sum())
    assert [sums[unit] for unit in order[count:]] == sorted(sums.values())
    assert sorted(order) == sorted({*units["unit"]})


def test_steps_under_a_budget_are_nested_and_meet_it(network):
    _, units, coupled = network
    terms = Terms(budget="macs", keep_at_least=0.25)
    order = order_of(network, [0.25, 0.5], terms=terms)
    channels = plans.plan(ranking.table(order, units), 0.5, terms, coupled)
    assert plans.realised(ranking.table(order, units), channels, "macs", coupled) >= 0.5


def test_a_step_sees_the_network_that_recovered(network):
    model, units, coupled = network
    seen = []

    def recover(smaller, channels):
        recovered = removal.narrowed(model, channels, coupled).eval()
        with torch.no_grad():
            recovered.get_submodule("features.0").weight *= 100
        seen.append((smaller.channels, channels))
        return recovered

    order = order_of(network, [0.2, 0.4, 0.6], recover, terms=Terms(keep_at_least=0.25))
    assert len(seen) == 2 and seen[0][0] == {} and seen[1][0] == seen[0][1]
    layer_of = dict(zip(units["unit"], units["layer"], strict=True))
    after = [layer_of[unit] for unit in order[round(0.2 * len(order)) :]]
    assert "features.0" not in after[: len(after) - after.count("features.0")]


def test_a_step_that_leaves_nothing_to_score_is_refused(network):
    with pytest.raises(Refused, match="a step to level 0.99 leaves no path from the images to the answers"):
        order_of(network, [0.99, 1])
