"""Channels that go together, in networks of all kinds: removed, masked and never computed are the same."""

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from secateur import cost, ranking
from secateur.evaluation import measuring
from secateur.graph import folding
from secateur.models import zoo
from secateur.pruning import groups, masking, plans, removal, sweep
from secateur.relevance import propagation
from secateur.study.levels import Terms
from secateur.units import coupling, finding, structures
from support.networks import (
    OWN,
    Branching,
    Grouped,
    Padded,
    Selective,
    Small,
    Subclassed,
    Twice,
    pixels,
    separable,
    stirred,
)
from support.removal import assert_equal_three_ways, drawn, never_computed

# ---- networks of a user's own --------------------------------------------------------------------------------


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.9))
@pytest.mark.parametrize("network", OWN)
def test_removed_masked_and_never_computed_are_the_same(network, seed, share):
    torch.manual_seed(0)
    model, images = stirred(network()), pixels()
    found = finding.find(model, images)
    assert_equal_three_ways(model, found, drawn(found, share, seed), images)


ZOO = {
    **{f"resnet{depth}": (lambda d=depth: zoo.build(f"resnet{d}", 10)) for depth in (20, 32, 44, 56, 110)},
    "resnet20, option B": lambda: zoo.build("resnet20", 10, shortcut="B"),
    "vgg16_bn": lambda: zoo.build("vgg16_bn", 10),
    "mobilenet_v1": lambda: zoo.build("mobilenet_v1", 10),
    "densenet40_24": lambda: zoo.build("densenet40_24", 10),
}
TORCHVISION = ("resnet18", "resnet50", "mobilenet_v2", "densenet121", "resnext50_32x4d", "shufflenet_v2_x0_5")
TORCHVISION += ("mobilenet_v3_small", "squeezenet1_1", "regnet_x_400mf")


@pytest.mark.parametrize("name", [*ZOO, *TORCHVISION])
def test_networks_of_the_zoo_lose_channels_as_if_never_computed(name):
    torch.manual_seed(0)
    model = ZOO[name]() if name in ZOO else pytest.importorskip("torchvision").models.get_model(name, num_classes=10)
    model, images = stirred(model), pixels(size=32)
    found = finding.find(model, images)
    smaller = assert_equal_three_ways(model, found, drawn(found, 0.4), images)
    assert sum(p.numel() for p in smaller.parameters()) < 0.75 * sum(p.numel() for p in model.parameters())


# ---- what units are ------------------------------------------------------------------------------------------


def sets(found):
    return {frozenset(unit.channels) for unit in found.units}


def test_a_padded_shortcut_ties_the_middle_and_leaves_the_edges_free():
    found = finding.find(Padded(), pixels())
    joined = {frozenset({("first", i), ("third", i + 2)}) for i in range(4)}
    free = {frozenset({("third", i)}) for i in (0, 1, 6, 7)} | {frozenset({("second", i)}) for i in range(8)}
    assert sets(found) == joined | free
    assert found.protected == {"head": "its channels are what the model puts out"}


def test_a_depthwise_filter_goes_with_what_it_reads_and_a_shared_layer_with_itself():
    assert frozenset({("3", 1), ("6", 1)}) in sets(finding.find(separable(), pixels()))
    # What reads the image by itself cannot lose channels.
    assert finding.find(separable(), pixels()).protected["0"].startswith("the grouped convolution 0 reads it beside")
    assert frozenset({("stem", 3), ("again", 3)}) in sets(finding.find(Twice(), pixels()))


def test_groups_stay_equal():
    found = sets(finding.find(Grouped(), pixels()))
    assert frozenset({("wide", 1), ("wide", 5), ("wide", 9)}) in found
    assert frozenset({("groups", 1), ("groups", 3), ("groups", 5)}) in found
    assert frozenset({("last", 2), ("each", 4), ("each", 5)}) in found


def test_branches_between_which_channels_choose_go_together():
    found = sets(finding.find(Selective(), pixels()))
    together = {("kernels.0", 2), ("kernels.1", 2), ("choose", 2), ("choose", 8)}
    assert frozenset(together) in found and frozenset({("reduce", 1)}) in found


def test_inner_leaves_residual_streams_alone():
    model = zoo.build("resnet20", 10)
    found = finding.find(model, pixels(size=32), residual="inner")
    assert len(found.units) == 3 * (16 + 32 + 64)
    assert {len(unit.channels) for unit in found.units} == {1}
    assert "residual is inner" in found.protected["conv1"]
    with pytest.raises(ValueError, match="^residual must be one of units, inner, got 'outer'$"):
        finding.find(model, pixels(), residual="outer")


@pytest.mark.parametrize(
    ("name", "size", "layers"),
    [
        ("vgg_small", 16, ["classifier.0"]),
        ("alexnet", 64, ["classifier.1", "classifier.4"]),
        ("mobilenet_v3_small", 32, ["classifier.0"]),
        # Linear layers that are applied to every position of a map.
        (
            "convnext_tiny",
            32,
            [f"features.{s}.{b}.block.3" for s, n in ((1, 3), (3, 3), (5, 9), (7, 3)) for b in range(n)],
        ),
    ],
)
def test_hidden_features_of_linear_layers_are_units_if_asked_for(name, size, layers):
    model, images = stirred(zoo.build(name, 10)), pixels(size=size)
    found = finding.find(model, images, linear="units")
    assert finding.linear_layers(model, finding.table(found)) == layers
    last = [layer for layer, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    assert found.protected[last] == "its channels are what the model puts out"
    channels = drawn(found, 0.4)
    smaller = assert_equal_three_ways(model, found, channels, images)
    assert [smaller.get_submodule(layer).out_features for layer in layers] == [
        model.get_submodule(layer).out_features - len(channels[layer]) for layer in layers
    ]
    assert cost.count(smaller, images) == found.coupled.counter.left(groups.removed_by(found.coupled, channels))


def test_a_network_of_which_linear_layers_alone_can_lose_something_says_so():
    with pytest.raises(ValueError, match=r"\); 33 hidden features of its linear layers can: set linear to units$"):
        finding.find(nn.Sequential(nn.Flatten(), nn.Linear(768, 33), nn.ReLU(), nn.Linear(33, 4)), pixels())


def test_hidden_features_stay_unless_asked_for():
    model = zoo.build("vgg_small", 10)
    found = finding.find(model, pixels())
    assert found.protected["classifier.0"] == "its features are those of a linear layer, and linear is protected"
    assert "classifier.0" not in set(finding.table(found)["layer"])
    with pytest.raises(ValueError, match="^linear must be one of protected, units, got 'all'$"):
        finding.find(model, pixels(), linear="all")


def test_frozen_layers_are_units_like_any_other():
    model = Branching()
    assert sets(finding.find(model, pixels())) == sets(finding.find(model.requires_grad_(False), pixels()))
    smaller = removal.removed(model.double().eval(), {"one": [0], "last": [0]}, pixels())
    assert not any(parameter.requires_grad for parameter in smaller.parameters())


@pytest.mark.parametrize("network", OWN)
def test_what_a_unit_saves_is_what_its_removal_saves(network):
    model, images = stirred(network()), pixels()
    found, dense = finding.find(model, images), cost.count(model, images)
    for unit in found.units[:: max(1, len(found.units) // 4)]:
        channels = {}
        for layer, index in unit.channels:
            channels.setdefault(layer, []).append(index)
        smaller = removal.removed(model, channels, images, found.coupled)
        less = cost.of_positions(smaller, cost.positions(model, images))
        assert (dense.parameters - less.parameters, dense.macs - less.macs) == (unit.parameters, unit.macs)
        # Layers of the user's own are not called any more, but their weights, where the forward had to be changed.
        assert network is Subclassed or cost.count(smaller, images) == less


class Mixed(Small):
    """An operation that mixes channels, which cannot be followed."""

    def __init__(self):
        super().__init__()
        self.group, self.last = nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.end(F.relu(self.last(self.group(self.stem(x)))))


def test_what_cannot_be_followed_is_protected_by_name():
    found = finding.find(Mixed(), pixels())
    reached = "its channels reach group (GroupNorm), through which they cannot be followed"
    assert found.protected["stem"] == reached
    assert {layer for unit in found.units for layer, _ in unit.channels} == {"last"}
    with pytest.raises(ValueError, match=r"^channel 2 of layer stem cannot be removed: its channels reach group \(Gro"):
        removal.removed(Mixed(), {"stem": [2]}, pixels().float())
    with pytest.raises(ValueError, match=r"^no channel of this Sequential can be removed \(0: its channels are what"):
        finding.find(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), pixels())


def test_a_part_of_a_unit_is_refused_by_name():
    model = Padded()
    message = (
        "^channel 1 of layer first can only be removed together with channel 3 of layer third: "
        "list all of them or none$"
    )
    for refused in (lambda: removal.removed(model, {"first": [1]}, pixels().float()), lambda: masked(model)):
        with pytest.raises(ValueError, match=message):
            refused()


def masked(model):
    with masking.masked(model, {"first": [1], "second": [0]}):
        pass


def test_groups_agree_with_those_of_torch_pruning():
    peer = pytest.importorskip("torch_pruning")
    torchvision = pytest.importorskip("torchvision")
    for name in ("resnet18", "mobilenet_v2", "densenet121"):
        model, images = torchvision.models.get_model(name, num_classes=10).eval(), torch.randn(1, 3, 32, 32)
        found = {channel: set(unit.channels) for unit in finding.find(model, images).units for channel in unit.channels}
        names = {module: layer for layer, module in model.named_modules()}
        graph = peer.DependencyGraph().build_dependency(model, example_inputs=images)
        removals = (peer.prune_conv_out_channels, peer.prune_depthwise_conv_out_channels)
        convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
        for conv in convolutions[:: max(1, len(convolutions) // 8)]:
            group = graph.get_pruning_group(conv, removals[conv.groups > 1], idxs=[1])
            together = {
                (names[dep.target.module], index)
                for dep, indices in group
                if isinstance(dep.target.module, nn.Conv2d) and dep.handler in removals
                for index in indices
            }
            assert found[names[conv], 1] == together


# ---- empty branches, curves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet20", "densenet40_24"])
def test_an_empty_branch_leaves_its_shortcut(name):
    model, images = stirred(zoo.build(name, 10)), pixels(size=32)
    found = finding.find(model, images)
    alone = [unit.channels[0] for unit in found.units if len(unit.channels) == 1]
    layer = alone[len(alone) // 2][0]
    channels = {layer: [index for one, index in alone if one == layer]}
    assert groups.collapsed(model, channels) == [layer]
    assert not groups.is_constant(found.coupled, channels)
    smaller = assert_equal_three_ways(model, found, channels, images)
    larger = pixels(size=40)
    with torch.no_grad():
        torch.testing.assert_close(smaller(larger), never_computed(model, channels, larger), rtol=1e-9, atol=1e-9)


class Biased(nn.Module):
    """A branch of two convolutions with biases beside a shortcut."""

    def __init__(self):
        super().__init__()
        self.stem, self.last = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 4)
        self.branch = nn.Sequential(nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 6, 1))

    def forward(self, images):
        x = F.relu(self.stem(images))
        return self.last((x + self.branch(x)).mean((2, 3)))


@pytest.mark.parametrize("make", [lambda: zoo.build("resnet20", 4), Biased], ids=["resnet20", "biased"])
def test_a_network_with_an_empty_branch_is_one_like_any_other(make):
    """It can be folded, pruned again, explained and measured: torch.fx traces it."""
    model, images = stirred(make()), pixels(size=32)
    layer = "layer2.1.conv1" if hasattr(model, "layer2") else "branch.0"
    smaller = removal.removed(model, {layer: list(range(model.get_submodule(layer).out_channels))}, images)
    with torch.no_grad():
        torch.testing.assert_close(folding.folded(smaller, strict=False)(images), smaller(images))
        again = finding.find(smaller, images)
        assert_equal_three_ways(smaller, again, drawn(again, 0.3), images)
    assert layer not in propagation.propagate(smaller, images)


def test_curves_of_a_residual_network_end_where_every_image_is_answered_alike():
    model, images = stirred(zoo.build("resnet20", 4)), pixels(size=32, count=8)
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    found = finding.find(model, images)
    table = finding.table(found)
    order = ranking.table(ranking.at_random(len(found.units), 0), table)
    network = sweep.Network(model, lambda: [(images, labels)], labels.numpy(), images[:2], "float64")
    points = list(network.points(order, [0, 0.3, 0.95, 1]))
    assert [bool(point.empty) for point in points] == [False, False, True, True]
    assert points[2].deviation is not None and points[3].deviation is None
    for point, level in zip(points, [0, 0.3, 0.95, 1], strict=True):
        with masking.masked(model, plans.plan(order, level)):
            assert point.measured.loss == pytest.approx(measuring.measure(model, images, labels).loss)
    assert all(a.cost.macs > b.cost.macs for a, b in zip(points, points[1:], strict=False))
    rounded = next(network.points(order, [0.3], Terms(round_to=4)))
    assert rounded.units < points[1].units and rounded.realised == rounded.units / len(found.units)


@given(st.permutations(range(40)), st.integers(0, 40), st.sampled_from([2, 4, 8]))
def test_rounded_widths_are_multiples_or_whole_and_only_units_of_the_plan_go(order, count, multiple):
    """Units 0 to 9 are of three layers, the rest of one; a unit of layer c is two channels."""
    rows = [(unit, layer, unit) for unit in range(10) for layer in "abc"]
    rows += [(unit, "abc"[unit % 3], unit) for unit in range(10, 40)]
    table = pandas.DataFrame(rows, columns=["unit", "layer", "channel"])
    ranked = ranking.table(np.array(order), table)
    level = count / 40
    plain, rounded = plans.plan(ranked, level), plans.plan(ranked, level, Terms(round_to=multiple))
    widths = table["layer"].value_counts()
    for layer, index in rounded.items():
        assert set(index) <= set(plain[layer])
        assert (widths[layer] - len(index)) % multiple == 0
    assert plans.units_of(ranked, plain) == count


def test_a_flow_without_an_example_is_the_same():
    model = separable()
    given_size, guessed = coupling.followed(model, pixels()), coupling.followed(model)
    for layer, inputs in given_size.inputs.items():
        np.testing.assert_array_equal(inputs, guessed.inputs[layer])


def test_units_of_one_structure_are_written_and_read_by_the_same_kinds_of_layers():
    found = structures.table(coupling.followed(zoo.build("resnet20", 4), pixels(size=32))).set_index("layer")[
        "structure"
    ]
    inner = [found[f"layer{stage}.{block}.conv1"] for stage in (1, 2, 3) for block in (0, 1, 2)]
    assert {*pandas.concat(inner)} == {"written by 3x3, read by 3x3"}
    # The stem's channels run through all three stages, of which each adds its own: seven, then three and three more.
    streams = dict(found["layer3.0.conv2"].value_counts())
    assert sorted(streams.values()) == [16, 16, 32] and {*found["conv1"]} < {*streams}
    assert all(words.endswith("3x3 + linear") for words in streams)
    depthwise = structures.table(coupling.followed(separable(), pixels()))["structure"]
    assert any("depthwise 3x3" in words for words in depthwise)
