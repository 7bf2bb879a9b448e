"""Sensitivity of groups of layers, against plain torch, and allocations by it, against exhaustive search."""

import itertools

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from secateur import Refused, pruning, ranking
from secateur.models import zoo
from secateur.pruning import allocation, layer_groups, layer_sensitivity, plans
from secateur.study.levels import Terms
from secateur.units import coupling, finding
from support.networks import pixels

# ---- the dynamic program -------------------------------------------------------------------------------------


def exhaustive(savings, damages, wanted, most=np.inf):
    """The smallest sum of damages of all choices that save enough and no more than `most`, or None."""
    found = []
    for options in itertools.product(*(range(len(saving)) for saving in savings)):
        if wanted <= sum(saving[option] for saving, option in zip(savings, options, strict=True)) <= most:
            found.append(sum(damage[option] for damage, option in zip(damages, options, strict=True)))
    return min(found, default=None)


GROUPS = st.lists(
    st.lists(st.tuples(st.integers(0, 30), st.floats(-1, 5)), min_size=1, max_size=4), min_size=1, max_size=4
)


@given(GROUPS, st.integers(0, 80), st.sampled_from([0, 5, np.inf]))
@settings(deadline=None)
def test_the_choice_is_that_of_an_exhaustive_search(groups, wanted, more):
    savings = [np.array([saving for saving, _ in group]) for group in groups]
    damages = [np.array([damage for _, damage in group]) for group in groups]
    best = exhaustive(savings, damages, wanted, wanted + more)
    if best is None:
        with pytest.raises(Refused, match="no allocation saves"):
            allocation.chosen(savings, damages, wanted, more)
        return
    options = allocation.chosen(savings, damages, wanted, more)
    assert wanted <= sum(saving[option] for saving, option in zip(savings, options, strict=True)) <= wanted + more
    assert sum(damage[option] for damage, option in zip(damages, options, strict=True)) == pytest.approx(best)


def test_large_savings_are_met_and_close_to_the_best():
    generator = np.random.default_rng(0)
    savings = [np.sort(generator.integers(0, 10**9, 4)) for _ in range(5)]
    damages = [np.sort(generator.random(4)) for _ in range(5)]
    wanted = sum(saving[-1] for saving in savings) // 2
    options = allocation.chosen(savings, damages, wanted)
    assert sum(saving[option] for saving, option in zip(savings, options, strict=True)) >= wanted
    found = sum(damage[option] for damage, option in zip(damages, options, strict=True))
    # What is rounded down is at most one part of the budget for each group.
    slack = wanted * (1 + len(savings) / allocation.PARTS)
    assert exhaustive(savings, damages, wanted) <= found <= exhaustive(savings, damages, slack)


# ---- sensitivity ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    model = zoo.build("vgg_small", 4, widths=[4, 4, 6, 6, 8, 8], hidden=6).double().eval()
    images, labels = pixels(size=8, count=24), torch.arange(24) % 4
    table = finding.table(finding.find(model, images[:1]))
    return model, ranking.table(ranking.at_random(table["unit"].nunique(), 1), table), images, labels


def test_curves_are_those_of_networks_without_these_filters(network):
    model, order, images, labels = network
    curves = pruning.sensitivity(model, order, images, labels, steps=3)
    with torch.no_grad():
        assert curves["loss"].iloc[0] == pytest.approx(F.cross_entropy(model(images), labels).item(), rel=1e-5)
    assert curves["removed"].tolist() == [0, 1, 3, 1, 3, 2, 4, 5, 2, 4, 5, 3, 5, 7, 3, 5, 7]
    for row in curves.iloc[1:].itertuples():
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        filters = order.loc[order["layer"] == row.group, "channel"].iloc[: row.removed].to_numpy()
        norm = f"features.{int(row.group.split('.')[1]) + 1}"
        for name in (f"{row.group}.weight", f"{norm}.weight", f"{norm}.bias"):
            state[name][filters] = 0
        with torch.no_grad():
            logits = torch.func.functional_call(model, state, images)
        assert row.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-4)
        assert row.accuracy == pytest.approx((logits.argmax(1) == labels).double().mean().item())
    assert (curves["macs"].iloc[1:] < curves["macs"].iloc[0]).all()


def test_with_images_that_calibrate_every_network_is_reconstructed(network):
    model, order, images, labels = network
    curves = pruning.sensitivity(model, order, images, labels, steps=2, calibration=images)
    row = curves.iloc[3]
    channels = plans.channels_of(order, layer_groups.of_ranking(order)[1].units[: row["removed"]])
    smaller = pruning.reconstructed(model, channels, images)
    with torch.no_grad():
        assert row["loss"] == pytest.approx(F.cross_entropy(smaller(images), labels).item(), rel=1e-4)


def test_layers_of_a_residual_stream_are_one_group():
    model = zoo.build("resnet20", 4).double()
    table = finding.table(finding.find(model, pixels(size=32)[:1]))
    groups = layer_groups.of_ranking(ranking.table(np.arange(table["unit"].nunique()), table))
    assert groups[0].name == "conv1 + 9" and len(groups[0].layers) == 10
    assert groups[1].name == "layer1.0.conv1" and len(groups[1].units) == 16
    assert sum(len(group.units) for group in groups) == table["unit"].nunique()


def test_a_single_group_and_curves_of_another_network_are_refused(network):
    model, order, images, labels = network
    one = order[order["layer"] == "features.0"]
    with pytest.raises(Refused, match=r"one group of layers \(features.0\)"):
        list(layer_sensitivity.curves(None, one, 2))
    curves = pruning.sensitivity(model, order, images, labels, steps=2)
    with pytest.raises(Refused, match="the curves are of other groups of layers"):
        pruning.allocated(curves[curves["group"] != "features.3"], order, [0.5])
    with pytest.raises(Refused, match="the curves have 5 units of features.0, and the ranking 4"):
        pruning.allocated(curves.assign(units=curves["units"] + 1), order, [0.5])
    with pytest.raises(Refused, match=r"level 0.95 is more than any allocation saves.*83.3 % of the units"):
        pruning.allocated(curves, order, [0.95])


# ---- allocation ----------------------------------------------------------------------------------------------


def vital_and_useless():
    """(network, ranking, images, labels): all units of the first layer are needed, none of the second branch is."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.vital, self.useless = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(3, 6, 3, padding=1)
            self.classes = nn.Linear(12, 4)

        def forward(self, x):
            x = torch.cat([self.vital(x).relu(), self.useless(x).relu()], 1)
            return self.classes(x.mean((2, 3)))

    torch.manual_seed(0)
    model = Branches().double().eval()
    with torch.no_grad():
        model.classes.weight[:, :6] *= 200
        model.classes.weight[:, 6:] = 0
    images = pixels(size=8, count=32)
    with torch.no_grad():
        labels = model(images).argmax(1)
    table = finding.table(finding.find(model, images[:1]))
    return model, ranking.table(np.arange(12), table), images, labels


@pytest.mark.parametrize("budget", ["units", "parameters", "macs"])
def test_a_useless_layer_gives_all_and_a_vital_one_nothing(budget):
    model, order, images, labels = vital_and_useless()
    coupled = coupling.followed(model, images[:1])
    curves = pruning.sensitivity(model, order, images, labels, steps=6)
    found = pruning.allocated(curves, order, [0.2, 0.35], Terms(budget=budget), coupled)
    assert {*found["layer"].iloc[:4]} == {"useless"}
    plan = plans.plan(found, 0.35, Terms(budget=budget), coupled)
    assert list(plan) == ["useless"] and plans.realised(found, plan, budget, coupled) >= 0.33
    # The order within a layer is the ranking's, and every unit stands once.
    for _, part in found.groupby("layer"):
        assert part["channel"].is_monotonic_increasing
    assert sorted(found["unit"]) == sorted(order["unit"])


def test_levels_are_met_by_nested_allocations(network):
    model, order, images, labels = network
    coupled = coupling.followed(model, images[:1])
    curves = pruning.sensitivity(model, order, images, labels, steps=4)
    found = pruning.allocated(curves, order, [0.3, 0.5, 0.7], Terms(budget="macs"), coupled)
    before = set()
    for level in (0.3, 0.5, 0.7):
        plan = plans.plan(found, level, Terms(budget="macs"), coupled)
        assert plans.realised(found, plan, "macs", coupled) >= level
        listed = {(layer, index) for layer, indices in plan.items() for index in indices}
        assert before <= listed
        before = listed


def test_an_allocation_is_the_best_of_all_for_counts_of_units(network):
    """Of three groups, by an exhaustive search over all counts, with damages on straight lines."""
    model, order, images, labels = network
    chosen = order[order["layer"].isin(["features.0", "features.3", "features.7"])]
    units = {unit: place for place, unit in enumerate(sorted({*chosen["unit"]}))}
    chosen = chosen.assign(unit=chosen["unit"].map(units)).reset_index(drop=True)
    curves = pruning.sensitivity(model, order, images, labels, steps=2)
    curves = curves[curves["group"].isin([layer_sensitivity.WHOLE, *chosen["layer"]])]
    found = pruning.allocated(curves, chosen, [0.5])
    removed = pandas.Series(found["layer"].iloc[:7]).value_counts()
    groups = layer_groups.of_ranking(chosen)
    damages = layer_sensitivity._damages(curves, groups)
    savings = [np.arange(len(damage)) for damage in damages]
    sum_of = sum(damage[removed.get(group.name, 0)] for damage, group in zip(damages, groups, strict=True))
    assert sum_of == pytest.approx(exhaustive(savings, damages, 7, 7))


def test_every_layer_keeps_its_floor(network):
    model, order, images, labels = network
    curves = pruning.sensitivity(model, order, images, labels, steps=4)
    found = pruning.allocated(curves, order, [0.5], Terms(keep_at_least=0.5))
    removed = found.iloc[:18]["layer"].value_counts()
    for layer, width in order["layer"].value_counts().items():
        assert removed.get(layer, 0) <= width / 2
    with pytest.raises(Refused, match="or but the floor, 50 % of the units"):
        pruning.allocated(curves, order, [0.6], Terms(keep_at_least=0.5))


def test_a_floor_of_layers_that_groups_share_is_refused():
    model = zoo.build("resnet20", 4).double()
    images = pixels(size=32)[:1]
    units = finding.find(model, images)
    sizes = layer_sensitivity.refuse_unmet(units, 0.5, Terms(budget="macs"))
    assert sum(sizes) == len(units.units) and sizes[:2] == [16, 16]
    with pytest.raises(
        Refused, match=r"several groups of units share the layer layer2.0.conv2, so that keep_at_least 0.1"
    ):
        layer_sensitivity.refuse_unmet(units, 0.5, Terms(budget="macs", keep_at_least=0.1))


def test_a_group_of_one_unit_loses_none(network):
    model, order, images, labels = network
    lone = order[(order["layer"] != "features.0") | (order["channel"] == 0)]
    ids = {unit: place for place, unit in enumerate(sorted({*lone["unit"]}))}
    lone = lone.assign(unit=lone["unit"].map(ids)).reset_index(drop=True)
    curves = pruning.sensitivity(model, lone, images, labels, steps=2)
    assert "features.0" not in set(curves["group"])
    found = pruning.allocated(curves, lone, [0.5])
    assert "features.0" not in set(found["layer"].iloc[: len(lone) // 2])


@pytest.mark.parametrize("seed", range(4))
def test_no_unit_could_be_given_back_where_layers_read_each_other(network, seed):
    """Savings of a chain overlap; a count less of any group, if it loses less, does not save enough."""
    model, order, images, _ = network
    coupled, terms = coupling.followed(model, images[:1]), Terms(budget="macs")
    groups = layer_groups.of_ranking(order)
    generator = np.random.default_rng(seed)
    damages = [np.append(0, generator.exponential(size=len(group.units) - 1)).cumsum() for group in groups]
    sharing = layer_sensitivity._Sharing(groups, damages, order, terms, coupled)
    counts = sharing.at(0.5, dict.fromkeys(sharing.damages, 0))
    assert sharing._saved(counts) >= 0.5 * sharing.whole
    for name, count in counts.items():
        if count:
            assert sharing._saved(counts | {name: count - 1}) < 0.5 * sharing.whole


def test_rounded_widths_are_refused(network):
    model, order, images, labels = network
    curves = pruning.sensitivity(model, order, images, labels, steps=2)
    with pytest.raises(Refused, match="shared out unit by unit, but round_to is 8"):
        pruning.allocated(curves, order, [0.5], Terms(round_to=8))
