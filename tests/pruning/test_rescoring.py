"""Rankings in steps: what is left is scored on the network that is left, against steps by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from secateur import Refused, ranking, statistics
from secateur.criteria import from_weights
from secateur.graph import tracing
from secateur.models import zoo
from secateur.pruning import groups, plans, removal, rescoring
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

    table = rescoring.rescored(model, units, coupled, l1, steps, recover or narrowed, **options)
    return table["unit"].drop_duplicates().tolist()


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
    assert set(order[:count]) == plans.with_any(units, removed) and order != first
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


class Bottleneck(nn.Module):
    """A stream, and a branch of three layers, of which the first may be emptied."""

    def __init__(self):
        super().__init__()
        self.stem, self.a = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 3, 1)
        self.b, self.c = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 6, 1)
        self.classes = nn.Linear(6, 4)

    def forward(self, x):
        x = self.stem(x).relu()
        x = (x + self.c(self.b(self.a(x).relu()).relu())).relu()
        return self.classes(x.mean((2, 3)))


@pytest.mark.parametrize("before", [False, True])
def test_units_of_an_empty_branch_leave_first(before):
    torch.manual_seed(0)
    model, images = Bottleneck().double().eval(), pixels(size=8, count=2)
    coupled, units = coupling.followed(model, images), finding.table(finding.find(model, images))

    def score(network):
        called = [node.target for node in tracing.traced(network).graph.nodes if node.op == "call_module"]
        return {name: np.full(len(network.get_submodule(name).weight), 0 if name == "a" else 1.0) for name in called}

    def recover(smaller, channels):
        if not before:
            return removal.narrowed(model, channels, coupled).eval()
        larger = coupling.followed(smaller.network, images)
        gone = groups.further(smaller.channels, channels)
        return removal.narrowed(
            smaller.network, {layer: gone[layer] for layer in gone if layer in larger.listed}
        ).eval()

    ranked = rescoring.rescored(model, units, coupled, score, [0.25, 0.5, 0.75], recover)
    order = ranked.drop_duplicates("unit")["layer"].tolist()
    assert order[:3] == ["a"] * 3 and order[3:6] == ["b"] * 3 and len(order) == units["unit"].nunique()
