"""Channels that go together, in networks of all kinds: removed, masked and never computed are the same."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from secateur import cost, curves, evaluation, flow, folding, models, pruning, ranking, relevance, units


def stirred(model, seed=0):
    """In float64 and eval mode; BatchNorm and biases have values that silence nothing by chance."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_(0, 0.2, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
                nn.init.normal_(layer.bias, 0, 0.3, generator=generator)
    return model.double().eval()


def pixels(channels=3, size=16, count=2):
    return torch.randn(count, channels, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


def drawn(found, share, seed=0, floor=1):
    """Channels of random units, {layer: [index, ...]}, `floor` channels of each layer left."""
    left = {layer: len(bundles) for layer, bundles in found.flow.outputs.items()}
    order, channels = list(range(len(found.units))), {}
    random.Random(seed).shuffle(order)
    for number in order[: round(share * len(order))]:
        unit = found.units[number].channels
        lost = {layer: sum(one == layer for one, _ in unit) for layer, _ in unit}
        if all(left[layer] - count >= floor for layer, count in lost.items()):
            for layer, index in unit:
                left[layer] -= 1
                channels.setdefault(layer, []).append(index)
    return channels


def never_computed(model, channels, images):
    """The oracle: removed channels are NaN wherever they go, and zero only where a layer reads them."""
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            hooks.append(module.register_forward_pre_hook(lambda _, inputs: (inputs[0].nan_to_num(nan=0.0),)))
        if channels.get(name):
            hooks.append(module.register_forward_hook(spoiling(channels[name])))
    try:
        with torch.no_grad():
            return model(images)
    finally:
        for hook in hooks:
            hook.remove()


def spoiling(index):
    def spoil(module, inputs, output):
        output = output.clone()
        output[(..., list(index)) if isinstance(module, nn.Linear) else (slice(None), list(index))] = torch.nan
        return output

    return spoil


def assert_equal_three_ways(model, found, channels, images):
    with torch.no_grad():
        dense = model(images)
        wanted = never_computed(model, channels, images)
        with pruning.masked(model, channels, found.flow) as silenced:
            masked = silenced(images)
        smaller = pruning.removed(model, channels, images, found.flow)
        removed = smaller(images)
    span = wanted.max() - wanted.min()
    assert not wanted.isnan().any()
    assert ((masked - wanted).abs().max() / span) < 1e-9
    assert ((removed - wanted).abs().max() / span) < 1e-9
    assert torch.equal(model(images), dense)
    return smaller


# ---- networks of a user's own --------------------------------------------------------------------------------


class Small(nn.Module):
    """What the networks below share: a stem, a head."""

    def __init__(self, outputs=8, features=None):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head = nn.Linear(features or outputs, 5)

    def start(self, x):
        return F.relu(self.norm(self.stem(x)))

    def end(self, x):
        return self.head(x.mean((2, 3)))


class Branching(Small):
    """Two branches joined by concatenation, one addition, a pool between."""

    def __init__(self):
        super().__init__(features=14)
        self.one, self.two = nn.Conv2d(8, 6, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(14), nn.BatchNorm2d(14)])
        self.last = nn.Conv2d(14, 14, 1)

    def forward(self, x):
        x = self.start(x)
        x = torch.cat([self.one(F.max_pool2d(x, 2)), F.avg_pool2d(x + self.two(x), 2)], 1)
        # One channel, normalised twice.
        return self.end(F.relu(self.norms[0](x)) + self.last(F.relu(self.norms[1](x))))


class Excited(Small):
    """Squeeze and excitation by linear layers and views."""

    def __init__(self):
        super().__init__()
        self.squeeze, self.excite = nn.Linear(8, 3), nn.Linear(3, 8)
        self.last = nn.Conv2d(8, 8, 3)

    def forward(self, x):
        x = self.start(x)
        b, c, _, _ = x.size()
        gate = F.adaptive_avg_pool2d(x, 1).view(b, c)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(gate)))).view(b, c, 1, 1)
        return self.end(F.relu(self.last(x * gate.expand_as(x))))


class Sigmoids(Small):
    """Activations that are not zero at zero; BatchNorm without weights."""

    def __init__(self):
        super().__init__()
        self.last, self.plain = nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8, affine=False)

    def forward(self, x):
        return self.end(torch.sigmoid(self.plain(self.last(torch.sigmoid(self.stem(x))) + 1)))


class Grouped(Small):
    def __init__(self):
        super().__init__()
        self.wide, self.groups, self.last = nn.Conv2d(8, 12, 1), nn.Conv2d(12, 6, 3, groups=3), nn.Conv2d(6, 8, 1)
        self.each = nn.Conv2d(8, 16, 3, groups=8)
        self.narrow = nn.Conv2d(16, 8, 1)

    def forward(self, x):
        x = F.relu(self.last(F.relu(self.groups(F.relu(self.wide(self.start(x)))))))
        return self.end(F.relu(self.narrow(F.relu(self.each(x)))))


class Twice(Small):
    """One layer and one BatchNorm, called twice."""

    def __init__(self):
        super().__init__()
        self.again, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.start(x)
        x = F.relu(self.norm(self.again(x)))
        return self.end(self.last(F.relu(self.norm(self.again(x)))))


class Padded(nn.Module):
    """He's option A as it is often written: a function that hides the width it pads with."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.third = nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.shortcut = lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8 // 4, 8 // 4), "constant", 0)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.relu(self.third(F.relu(self.second(x))) + self.shortcut(x))
        return self.head(F.avg_pool2d(x, x.size()[3]).view(x.size(0), -1))


class Written(Small):
    """Sizes written into the code: views, slices, splits, zeros."""

    def __init__(self):
        super().__init__(features=8 * 4)
        self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(5, 5, 1)

    def forward(self, x):
        x = self.start(x)
        x = torch.cat([self.one(x[:, :3]), self.two(x[:, 3:8])], 1)
        first, second = torch.split(x, [4, 4], dim=1)
        x = torch.cat([second, first], 1) + torch.cat([x[:, 0:6], x.new_zeros(x.shape[0], 2, 16, 16)], 1)
        return self.head(F.adaptive_avg_pool2d(x, 2).view(-1, 32))


class Shuffled(Small):
    """ShuffleNet's halves and shuffles."""

    def __init__(self):
        super().__init__()
        self.branch, self.last = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        one, two = self.start(x).chunk(2, dim=1)
        x = torch.cat((one, F.relu(self.branch(two))), dim=1)
        b, c, h, w = x.size()
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)
        return self.end(F.relu(self.last(x)))


class Scaled(Small):
    """Parameters of the network's own for each channel."""

    def __init__(self):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(8)), nn.Parameter(torch.randn(1, 8, 1, 1))
        self.act, self.last = nn.PReLU(8), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.act(self.start(x) * self.scale.view(1, -1, 1, 1) + self.shift)
        return self.end(F.relu(self.last(x)))


def separable():
    """Depthwise and pointwise in turns, BatchNorm between, a flatten of 2x2 maps."""

    def step(inputs, outputs):
        depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        return [depthwise, nn.BatchNorm2d(inputs), nn.ReLU6(), nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)]

    steps = [*step(3, 8), nn.ReLU6(inplace=True), *step(8, 6), nn.Hardswish(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*steps, nn.Linear(24, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 5))


class Same(nn.Conv2d):
    """A layer of the user's own, as timm has them: torch traces into it."""

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1)), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class NormAct(nn.BatchNorm2d):
    def forward(self, x):
        return F.relu(F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps))


class Subclassed(Small):
    def __init__(self):
        super().__init__()
        self.one, self.norm1, self.each = Same(8, 6, 3), NormAct(6), Same(6, 6, 3, groups=6)
        self.two, self.norm2 = Same(6, 8, 3), NormAct(8)
        self.padded = lambda x: F.pad(x, (0, 0, 0, 0, 1, 1))

    def forward(self, x):
        x = self.start(x)
        narrow = self.each(self.norm1(self.one(x)))
        return self.end(self.norm2(self.two(narrow)) + x * 0.5 + self.padded(narrow))


class Selective(Small):
    """Two kernels of which each channel takes its share, by a softmax over them (SKNet); values are moved about."""

    def __init__(self):
        super().__init__(features=6)
        self.kernels = nn.ModuleList([nn.Conv2d(8, 6, size, padding=size // 2) for size in (1, 3)])
        self.reduce, self.choose = nn.Conv2d(6, 4, 1), nn.Conv2d(4, 12, 1)

    def forward(self, x):
        x = self.start(x)
        branches = torch.stack([F.relu(kernel(x)) for kernel in self.kernels], 1)
        every = branches.sum(1).mean((2, 3), keepdim=True)
        shares = self.choose(F.relu(self.reduce(every))).view(-1, 2, 6, 1, 1).softmax(1)
        return self.end((branches * shares).sum(1).to(device=x.device, dtype=x.dtype))


class Elsewhere(Small):
    """What cannot be followed is laid out by the number of channels of something else, which can lose some."""

    def __init__(self):
        super().__init__()
        self.two, self.group = nn.Conv2d(8, 8, 1), nn.GroupNorm(2, 8)

    def forward(self, x):
        x = self.start(x)
        count, channels, height, width = x.shape
        y = self.group(self.two(x)).flatten(2).transpose(1, 2)
        return self.end(y.transpose(1, 2).reshape(count, channels, height, width))


OWN = [Subclassed, Branching, Excited, Sigmoids, Grouped, Twice, Padded, Written, Shuffled, Scaled, separable]
OWN += [Selective, Elsewhere]


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.9))
@pytest.mark.parametrize("network", OWN)
def test_removed_masked_and_never_computed_are_the_same(network, seed, share):
    torch.manual_seed(0)
    model, images = stirred(network()), pixels()
    found = units.find(model, images)
    assert_equal_three_ways(model, found, drawn(found, share, seed), images)


ZOO = {
    **{f"resnet{depth}": (lambda d=depth: models.build(f"resnet{d}", 10)) for depth in (20, 32, 44, 56, 110)},
    "resnet20, option B": lambda: models.build("resnet20", 10, shortcut="B"),
    "vgg16_bn": lambda: models.build("vgg16_bn", 10),
    "mobilenet_v1": lambda: models.build("mobilenet_v1", 10),
    "densenet40_24": lambda: models.build("densenet40_24", 10),
}
TORCHVISION = ("resnet18", "resnet50", "mobilenet_v2", "densenet121", "resnext50_32x4d", "shufflenet_v2_x0_5")
TORCHVISION += ("mobilenet_v3_small", "squeezenet1_1", "regnet_x_400mf")


@pytest.mark.parametrize("name", [*ZOO, *TORCHVISION])
def test_networks_of_the_zoo_lose_channels_as_if_never_computed(name):
    torch.manual_seed(0)
    model = ZOO[name]() if name in ZOO else pytest.importorskip("torchvision").models.get_model(name, num_classes=10)
    model, images = stirred(model), pixels(size=32)
    found = units.find(model, images)
    smaller = assert_equal_three_ways(model, found, drawn(found, 0.4), images)
    assert sum(p.numel() for p in smaller.parameters()) < 0.75 * sum(p.numel() for p in model.parameters())


# ---- what units are ------------------------------------------------------------------------------------------


def sets(found):
    return {frozenset(unit.channels) for unit in found.units}


def test_a_padded_shortcut_ties_the_middle_and_leaves_the_edges_free():
    found = units.find(Padded(), pixels())
    joined = {frozenset({("first", i), ("third", i + 2)}) for i in range(4)}
    free = {frozenset({("third", i)}) for i in (0, 1, 6, 7)} | {frozenset({("second", i)}) for i in range(8)}
    assert sets(found) == joined | free
    assert found.protected == {"head": "its channels are what the model puts out"}


def test_a_depthwise_filter_goes_with_what_it_reads_and_a_shared_layer_with_itself():
    assert frozenset({("3", 1), ("6", 1)}) in sets(units.find(separable(), pixels()))
    # What reads the image by itself cannot lose channels.
    assert units.find(separable(), pixels()).protected["0"].startswith("the grouped convolution 0 reads it beside")
    assert frozenset({("stem", 3), ("again", 3)}) in sets(units.find(Twice(), pixels()))


def test_groups_stay_equal():
    found = sets(units.find(Grouped(), pixels()))
    assert frozenset({("wide", 1), ("wide", 5), ("wide", 9)}) in found
    assert frozenset({("groups", 1), ("groups", 3), ("groups", 5)}) in found
    assert frozenset({("last", 2), ("each", 4), ("each", 5)}) in found


def test_branches_between_which_channels_choose_go_together():
    found = sets(units.find(Selective(), pixels()))
    together = {("kernels.0", 2), ("kernels.1", 2), ("choose", 2), ("choose", 8)}
    assert frozenset(together) in found and frozenset({("reduce", 1)}) in found


def test_inner_leaves_residual_streams_alone():
    model = models.build("resnet20", 10)
    found = units.find(model, pixels(size=32), residual="inner")
    assert len(found.units) == 3 * (16 + 32 + 64)
    assert {len(unit.channels) for unit in found.units} == {1}
    assert "residual is inner" in found.protected["conv1"]
    with pytest.raises(ValueError, match="^residual must be one of units, inner, got 'outer'$"):
        units.find(model, pixels(), residual="outer")


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
    model, images = stirred(models.build(name, 10)), pixels(size=size)
    found = units.find(model, images, linear="units")
    assert units.linear_layers(model, units.table(found)) == layers
    last = [layer for layer, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    assert found.protected[last] == "its channels are what the model puts out"
    channels = drawn(found, 0.4)
    smaller = assert_equal_three_ways(model, found, channels, images)
    assert [smaller.get_submodule(layer).out_features for layer in layers] == [
        model.get_submodule(layer).out_features - len(channels[layer]) for layer in layers
    ]
    assert cost.count(smaller, images) == found.flow.counter.left(pruning.bundles(found.flow, channels))


def test_a_network_of_which_linear_layers_alone_can_lose_something_says_so():
    with pytest.raises(ValueError, match=r"\); 33 hidden features of its linear layers can: set linear to units$"):
        units.find(nn.Sequential(nn.Flatten(), nn.Linear(768, 33), nn.ReLU(), nn.Linear(33, 4)), pixels())


def test_hidden_features_stay_unless_asked_for():
    model = models.build("vgg_small", 10)
    found = units.find(model, pixels())
    assert found.protected["classifier.0"] == "its features are those of a linear layer, and linear is protected"
    assert "classifier.0" not in set(units.table(found)["layer"])
    with pytest.raises(ValueError, match="^linear must be one of protected, units, got 'all'$"):
        units.find(model, pixels(), linear="all")


def test_frozen_layers_are_units_like_any_other():
    model = Branching()
    assert sets(units.find(model, pixels())) == sets(units.find(model.requires_grad_(False), pixels()))
    smaller = pruning.removed(model.double().eval(), {"one": [0], "last": [0]}, pixels())
    assert not any(parameter.requires_grad for parameter in smaller.parameters())


@pytest.mark.parametrize("network", OWN)
def test_what_a_unit_saves_is_what_its_removal_saves(network):
    model, images = stirred(network()), pixels()
    found, dense = units.find(model, images), cost.count(model, images)
    for unit in found.units[:: max(1, len(found.units) // 4)]:
        channels = {}
        for layer, index in unit.channels:
            channels.setdefault(layer, []).append(index)
        smaller = pruning.removed(model, channels, images, found.flow)
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
    found = units.find(Mixed(), pixels())
    reached = "its channels reach group (GroupNorm), through which they cannot be followed"
    assert found.protected["stem"] == reached
    assert {layer for unit in found.units for layer, _ in unit.channels} == {"last"}
    with pytest.raises(ValueError, match=r"^channel 2 of layer stem cannot be removed: its channels reach group \(Gro"):
        pruning.removed(Mixed(), {"stem": [2]}, pixels().float())
    with pytest.raises(ValueError, match=r"^no channel of this Sequential can be removed \(0: its channels are what"):
        units.find(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), pixels())


def test_a_part_of_a_unit_is_refused_by_name():
    model = Padded()
    message = "^channel 1 of layer first goes only together with channel 3 of layer third: list all of them or none$"
    for refused in (lambda: pruning.removed(model, {"first": [1]}, pixels().float()), lambda: masked(model)):
        with pytest.raises(ValueError, match=message):
            refused()


def masked(model):
    with pruning.masked(model, {"first": [1], "second": [0]}):
        pass


def test_groups_agree_with_those_of_torch_pruning():
    peer = pytest.importorskip("torch_pruning")
    torchvision = pytest.importorskip("torchvision")
    for name in ("resnet18", "mobilenet_v2", "densenet121"):
        model, images = torchvision.models.get_model(name, num_classes=10).eval(), torch.randn(1, 3, 32, 32)
        found = {channel: set(unit.channels) for unit in units.find(model, images).units for channel in unit.channels}
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
    model, images = stirred(models.build(name, 10)), pixels(size=32)
    found = units.find(model, images)
    alone = [unit.channels[0] for unit in found.units if len(unit.channels) == 1]
    layer = alone[len(alone) // 2][0]
    channels = {layer: [index for one, index in alone if one == layer]}
    assert pruning.collapsed(model, channels) == [layer]
    assert not pruning.is_constant(found.flow, channels)
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


@pytest.mark.parametrize("make", [lambda: models.build("resnet20", 4), Biased], ids=["resnet20", "biased"])
def test_a_network_with_an_empty_branch_is_one_like_any_other(make):
    """It can be folded, pruned again, explained and measured: torch.fx traces it."""
    model, images = stirred(make()), pixels(size=32)
    layer = "layer2.1.conv1" if hasattr(model, "layer2") else "branch.0"
    smaller = pruning.removed(model, {layer: list(range(model.get_submodule(layer).out_channels))}, images)
    with torch.no_grad():
        torch.testing.assert_close(folding.folded(smaller, strict=False)(images), smaller(images))
        again = units.find(smaller, images)
        assert_equal_three_ways(smaller, again, drawn(again, 0.3), images)
    assert layer not in relevance.propagate(smaller, images)


def test_curves_of_a_residual_network_end_where_every_image_is_answered_alike():
    model, images = stirred(models.build("resnet20", 4)), pixels(size=32, count=8)
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    found = units.find(model, images)
    table = units.table(found)
    order = ranking.table(ranking.at_random(len(found.units), 0), table)
    network = curves.Network(model, lambda: [(images, labels)], labels.numpy(), images[:2], "float64")
    points = list(network.points(order, [0, 0.3, 0.95, 1]))
    assert [bool(point.empty) for point in points] == [False, False, True, True]
    assert points[2].deviation is not None and points[3].deviation is None
    for point, level in zip(points, [0, 0.3, 0.95, 1], strict=True):
        with pruning.masked(model, pruning.plan(order, level)):
            assert point.measured.loss == pytest.approx(evaluation.measure(model, images, labels).loss)
    assert all(a.cost.macs > b.cost.macs for a, b in zip(points, points[1:], strict=False))
    rounded = next(network.points(order, [0.3], round_to=4))
    assert rounded.units < points[1].units and rounded.realised == rounded.units / len(found.units)


@given(st.permutations(range(40)), st.integers(0, 40), st.sampled_from([2, 4, 8]))
def test_rounded_widths_are_multiples_or_whole_and_only_units_of_the_plan_go(order, count, multiple):
    """Units 0 to 9 are of three layers, the rest of one; a unit of layer c is two channels."""
    import pandas

    rows = [(unit, layer, unit) for unit in range(10) for layer in "abc"]
    rows += [(unit, "abc"[unit % 3], unit) for unit in range(10, 40)]
    table = pandas.DataFrame(rows, columns=["unit", "layer", "channel"])
    ranked = ranking.table(np.array(order), table)
    level = count / 40
    plain, rounded = pruning.plan(ranked, level), pruning.plan(ranked, level, round_to=multiple)
    widths = table["layer"].value_counts()
    for layer, index in rounded.items():
        assert set(index) <= set(plain[layer])
        assert (widths[layer] - len(index)) % multiple == 0
    assert pruning.units_of(ranked, plain) == count


def test_a_flow_without_an_example_is_the_same():
    model = separable()
    given_size, guessed = flow.followed(model, pixels()), flow.followed(model)
    for layer, bundles in given_size.inputs.items():
        np.testing.assert_array_equal(bundles, guessed.inputs[layer])
