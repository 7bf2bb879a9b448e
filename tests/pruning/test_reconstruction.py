"""Networks refitted in closed form: exact where channels repeat, least squares elsewhere, for every kind of network."""

import copy
import tempfile

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused
from secateur.models import zoo
from secateur.pruning import dense_answers, held_values, reconstruction, removal
from secateur.pruning.least_squares import Regression
from secateur.units import coupling, finding
from support import networks
from support.networks import pixels, stirred

FITS = ("channels", "patches")


def images(count=24, channels=3, size=8):
    return pixels(channels, size, count)


class Chain(nn.Module):
    """Convolutions with BatchNorm, a hidden linear layer behind a flatten, and a head."""

    def __init__(self, bias=False):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=bias), nn.BatchNorm2d(8)
        self.second, self.other = nn.Conv2d(8, 6, 3, padding=1, bias=bias), nn.BatchNorm2d(6)
        self.hidden, self.head = nn.Linear(6 * 4 * 4, 10), nn.Linear(10, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.max_pool2d(F.relu(self.other(self.second(x))), 2)
        return self.head(F.relu(self.hidden(torch.flatten(x, 1))))


def doubled(model):
    """The model with every second channel of its first convolution like the one before it."""
    with torch.no_grad():
        for tensor in (*model.first.state_dict().values(), *model.norm.state_dict().values()):
            if tensor.dim():
                tensor[1::2] = tensor[::2]
    return model


def error(model, other, x):
    with torch.no_grad():
        return float((model(x) - other(x)).abs().max())


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("bias", [False, True])
def test_a_channel_that_repeats_another_is_made_up_exactly(fit, bias):
    model = doubled(stirred(Chain(bias)))
    before = copy.deepcopy(model.state_dict())
    smaller = reconstruction.reconstructed(model, {"first": [1, 3, 5, 7]}, images(), fit, "kept", ridge=0)
    assert smaller.second.in_channels == 4
    assert error(model, smaller, images()) < 1e-9
    assert error(model, removal.removed(model, {"first": [1, 3, 5, 7]}, images()), images()) > 0.01
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_linear_network_has_the_weights_of_least_squares():
    model = stirred(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(8 * 4, 5)))
    x = pixels(3, 2, 90)
    smaller = reconstruction.reconstructed(model, {"0": [0, 5]}, x, ridge=0)
    with torch.no_grad():
        read = removal.removed(model, {"0": [0, 5]}, x)[:2](x)
        design = torch.cat([read, torch.ones(len(x), 1, dtype=read.dtype)], 1)
        wanted = torch.linalg.lstsq(design, model(x)).solution
        # Features are linear in fewer pixels, so that several weights answer alike.
        torch.testing.assert_close(smaller(x), design @ wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rows", [7, 60])
def test_the_ridge_pulls_to_what_was_there(rows):
    """By rows and by sums: the same solution of (G + l I) B = H + l P on centred data."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets, prior = (torch.randn(*size, generator=generator, dtype=torch.float64)
                              for size in ((rows, 12), (rows, 3), (12, 3)))  # fmt: skip
    sums = Regression(12, 3, rows)
    for part in torch.arange(rows).tensor_split(3):
        sums.add(inputs[part], targets[part])
    weights, constant = sums.solved(prior, 0.1)
    centred, wanted = inputs - inputs.mean(0), targets - targets.mean(0)
    gram = centred.T @ centred
    strength = 0.1 * gram.diagonal().mean()
    by_hand = torch.linalg.solve(gram + strength * torch.eye(12), centred.T @ wanted + strength * prior)
    torch.testing.assert_close(weights, by_hand)
    torch.testing.assert_close(constant, targets.mean(0) - inputs.mean(0) @ by_hand)
    assert sums.few == (rows == 7)
    large, _ = sums.solved(prior, 1e9)
    torch.testing.assert_close(large, prior, rtol=1e-6, atol=1e-6)


def test_constant_inputs_keep_their_weights():
    sums = Regression(2, 1, 10)
    inputs = torch.stack([torch.arange(10.0), torch.full((10,), 3.0)], 1)
    sums.add(inputs, 2 * inputs[:, :1])
    for ridge in (1e-3, 0):
        weights, _ = sums.solved(torch.tensor([[1.0], [7.0]]), ridge)
        assert weights[1].item() == pytest.approx(7) and weights[0].item() == pytest.approx(2, abs=0.01)


def test_patches_are_never_worse_than_channels_on_the_same_inputs():
    """The outputs of the one layer that is refitted, at all positions and without a ridge."""
    model, x = stirred(Chain()), images(60)
    with torch.no_grad():
        wanted = model.second(F.relu(model.norm(model.first(x))))
    errors = {}
    for fit in FITS:
        smaller = reconstruction.reconstructed(model, {"first": [1, 4]}, x, fit, "kept", ridge=0)
        with torch.no_grad():
            answers = smaller.second(F.relu(smaller.norm(smaller.first(x))))
        shift = model.other.running_mean - smaller.other.running_mean
        errors[fit] = float((answers + shift.view(1, -1, 1, 1) - wanted).square().mean())
    assert errors["patches"] <= errors["channels"] < float(wanted.var())


def half_of(model, example, residual="units"):
    """Every second unit of every layer, as channels."""
    units = finding.find(model, example, residual)
    channels = {}
    for unit in units.units[::2]:
        for layer, index in unit.channels:
            channels.setdefault(layer, []).append(index)
    return channels


NETWORKS = {
    "a residual network, padded": lambda: zoo.build("resnet20", 5),
    "a residual network, projected": lambda: zoo.build("resnet20", 5, shortcut="B"),
    "a depthwise network": lambda: zoo.build("mobilenet_v1", 5),
    "a concatenating network": networks.Branching,
    "grouped convolutions": networks.Grouped,
    "squeeze and excitation": networks.Excited,
    "shuffled channels": networks.Shuffled,
    "a layer and a BatchNorm that are called twice": networks.Twice,
    "padding hidden in a function": networks.Padded,
    "depthwise layers before a flatten": networks.separable,
    "a network without BatchNorm": lambda: zoo.build("vgg_small", 5, norm=False),
}


@pytest.mark.parametrize("batchnorm", ["kept", "online"])
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_network_comes_nearer_to_the_dense_one(name, fit, batchnorm):
    torch.manual_seed(0)
    model, x = stirred(NETWORKS[name]()), images(40, size=16)
    channels = half_of(model, x[:1])
    with torch.no_grad():
        wanted = model(x)
    pruned = removal.removed(model, channels, x)
    smaller = reconstruction.reconstructed(model, channels, x, fit, batchnorm)
    away = [float((network(x) - wanted).square().mean()) for network in (pruned, smaller)]
    assert away[1] < 0.5 * away[0]
    assert [tuple(value.shape) for value in smaller.parameters()] != [
        tuple(value.shape) for value in model.parameters()
    ]
    assert not smaller.training and not any(value.isnan().any() for value in smaller.state_dict().values())


@pytest.mark.parametrize("fit", FITS)
def test_the_same_images_give_the_same_network(fit):
    model, x = stirred(networks.Branching()), images(40, size=16)
    one, another = (reconstruction.reconstructed(model, half_of(model, x[:1]), x, fit) for _ in range(2))
    assert error(one, another, x) == 0


def test_nothing_that_is_removed_leaves_everything_as_it_is():
    model, x = stirred(Chain()), images()
    smaller = reconstruction.reconstructed(model, {}, x)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in smaller.state_dict().items())


def test_layers_before_the_first_that_lost_inputs_are_left_alone():
    model, x = stirred(Chain()), images()
    smaller = reconstruction.reconstructed(model, {"second": [0, 3]}, x)
    for name in ("first.weight", "norm.running_mean", "norm.running_var"):
        assert torch.equal(smaller.state_dict()[name], model.state_dict()[name])
    assert torch.equal(smaller.second.weight, model.second.weight[[1, 2, 4, 5]])
    assert not torch.equal(smaller.hidden.weight, model.hidden.weight.view(10, 6, 16)[:, [1, 2, 4, 5]].flatten(1))


def test_a_layer_that_is_called_twice_is_known_by_both_calls():
    model, x = stirred(networks.Twice()), images(4, size=16)
    dense = reconstruction.Dense(coupling.followed(model, x[:1]), x, "patches")
    assert [call for call in dense.rows if call[0] == "again"] == [("again", 0), ("again", 1)]


def test_a_branch_that_is_emptied_is_made_up_by_what_reads_the_sum():
    model, x = stirred(zoo.build("resnet20", 5)), images(40, size=16)
    channels = {"layer2.1.conv1": list(range(32))}
    with torch.no_grad():
        wanted = model(x)
        away = [
            float((network(x) - wanted).square().mean())
            for network in (removal.removed(model, channels, x), reconstruction.reconstructed(model, channels, x))
        ]
    assert away[1] < 0.5 * away[0]


class Overwriting(nn.Module):
    """Operations in place on images, answers and sums; `inplace` False is the same out of place."""

    def __init__(self, inplace):
        super().__init__()
        torch.manual_seed(1)
        self.inplace = inplace
        self.stem, self.inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.outer, self.head = nn.Conv2d(16, 8, 3, padding=1), nn.Linear(8, 5)

    def forward(self, x):
        if self.inplace:
            x = x.sub_(0.5)
            x = F.relu_(self.stem(x))
            y = self.outer(F.relu(self.inner(x), inplace=True))
            y += x
            return self.head(y.relu_().mean((2, 3)))
        x = F.relu(self.stem(x - 0.5))
        return self.head(F.relu(self.outer(F.relu(self.inner(x))) + x).mean((2, 3)))


@pytest.mark.parametrize("bound", [None, 0])
@pytest.mark.parametrize("fit", FITS)
def test_what_is_done_in_place_changes_no_answer_and_no_image(fit, bound, monkeypatch):
    """In memory and in files: the network of the same operations out of place, from images that stay."""
    if bound is not None:
        monkeypatch.setattr(held_values, "BOUND", bound)
    x, channels = images(40), {"inner": [0, 3, 4, 9], "stem": [1], "outer": [1]}
    before = x.clone()
    models = [stirred(Overwriting(inplace)) for inplace in (True, False)]
    smaller = [reconstruction.reconstructed(model, channels, x, fit) for model in models]
    assert torch.equal(x, before)
    for name, value in smaller[1].state_dict().items():
        torch.testing.assert_close(smaller[0].state_dict()[name], value)


class Views(nn.Module):
    """A value that is overwritten through a view and read again, and an argument with a default."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.stem, self.inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)
        self.outer, self.head = nn.Conv2d(12, 8, 1), nn.Linear(8, 5)

    def forward(self, x, scale=0.5):
        x = self.stem(input=x) * scale
        flat = x.flatten(2)
        flat.relu_()
        return self.head((self.outer(F.relu(self.inner(x))) + x).mean((2, 3)))


def test_values_in_files_are_those_in_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    x = images(40)
    for model, channels in ((Views(), {"inner": [0, 3, 4]}), (zoo.build("resnet20", 5), {"layer2.1.conv1": [0, 1]})):
        model = stirred(model)
        monkeypatch.setattr(held_values, "BOUND", 4 << 30)
        memory = reconstruction.reconstructed(model, channels, x).state_dict()
        for bound in (0, 400_000):
            monkeypatch.setattr(held_values, "BOUND", bound)
            files = reconstruction.reconstructed(model, channels, x).state_dict()
            assert all(torch.equal(value, files[name]) for name, value in memory.items())
        assert not any(tmp_path.iterdir())


class Shared(nn.Module):
    """A layer that is called before and behind the one that is pruned, with or without groups."""

    def __init__(self, groups):
        super().__init__()
        torch.manual_seed(1)
        self.stem, self.again = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=groups)
        self.inner, self.outer, self.head = nn.Conv2d(8, 16, 1), nn.Conv2d(16, 8, 1), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.again(F.relu(self.stem(x))))
        x = self.outer(F.relu(self.inner(x))) * 3 + 2
        return self.head(F.relu(self.again(x)).mean((2, 3)))


@pytest.mark.parametrize("groups", [1, 8])
def test_a_shared_layer_is_fitted_to_all_of_its_calls(groups):
    model, x = stirred(Shared(groups)), images(200)
    read, answered = [], []

    def keep(_, args, output):
        read.append(args[0])
        answered.append(output)

    smaller = reconstruction.reconstructed(model, {"inner": [0, 5, 6]}, x)
    with torch.no_grad():
        handle = model.again.register_forward_hook(keep)
        model(x)
        handle.remove()
        wanted = torch.cat(answered)
        smaller.again.register_forward_hook(keep)
        smaller(x)
        # As it was, or as one call alone would have it, both calls together are answered worse.
        away = {"both": (torch.cat(answered[2:]) - wanted).square().mean()}
        away["none"] = (model.again(torch.cat(read[2:])) - wanted).square().mean()
    assert away["both"] < away["none"]


def test_a_batchnorm_of_two_calls_keeps_its_statistics(caplog):
    model, x = stirred(networks.Twice()), images(40, size=16)
    caplog.set_level("WARNING")
    smaller = [reconstruction.reconstructed(model, {"last": [0]}, x, batchnorm=way) for way in ("kept", "online")]
    assert "norm" not in caplog.text
    channels = half_of(model, x[:1])
    smaller = [reconstruction.reconstructed(model, channels, x, batchnorm=way) for way in ("kept", "online")]
    assert "norm cannot be refitted, because it is called more than once" in caplog.text
    left = [index for index in range(8) if index not in channels["again"]]
    for network in smaller:
        assert torch.equal(network.norm.running_mean, model.norm.running_mean[left])
    assert error(*smaller, x) == 0


class Residual(nn.Module):
    """A residual branch whose shortcut is a projection that is computed after it, or the value itself."""

    def __init__(self, projected, norm=True):
        super().__init__()
        torch.manual_seed(1)
        self.stem, self.inner = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)
        self.outer = nn.Conv2d(12, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.shortcut = nn.Conv2d(8, 8, 1) if projected else nn.Identity()
        self.head = nn.Linear(8, 5)

    def joined(self, x):
        x = F.relu(self.stem(x))
        y = self.norm(self.outer(F.relu(self.inner(x))))
        return y + self.shortcut(x)

    def forward(self, x):
        return self.head(F.relu(self.joined(x)).mean((2, 3)))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("projected", [True, False])
def test_a_residual_branch_makes_up_what_the_stream_lacks(projected, norm):
    """By plain least squares: the branch answers as the dense sum without what the pruned shortcut gives."""
    model, x = stirred(Residual(projected, norm)), images(60)
    channels = {"stem": [0, 3], "inner": [1, 2]}
    if not projected:
        channels["outer"] = [0, 3]
    left = [index for index in range(8) if projected or index not in (0, 3)]
    smaller = reconstruction.reconstructed(model, channels, x, batchnorm="kept", ridge=0)
    own = reconstruction.reconstructed(model, channels, x, batchnorm="kept", ridge=0, target="answers")
    with torch.no_grad():
        wanted = model.joined(x)[:, left]
        read, other = F.relu(smaller.inner(F.relu(smaller.stem(x)))), smaller.shortcut(F.relu(smaller.stem(x)))
        patches = F.unfold(read, 3, padding=1).transpose(1, 2).flatten(0, 1)
        design = torch.cat([patches, torch.ones(len(patches), 1, dtype=x.dtype)], 1)
        asked = (wanted - other).flatten(2).transpose(1, 2).flatten(0, 1)
        best = design @ torch.linalg.lstsq(design, asked).solution
        torch.testing.assert_close(
            (smaller.joined(x) - other).flatten(2).transpose(1, 2).flatten(0, 1), best, rtol=1e-6, atol=1e-8
        )
        away = [float((network.joined(x) - wanted).square().mean()) for network in (smaller, own)]
    # The value itself is what it was in the channels that are left.
    assert away[0] < away[1] if projected else away[0] == away[1]


@pytest.mark.parametrize("batchnorm", ["kept", "online"])
def test_sums_bring_a_residual_network_nearer_than_answers(batchnorm):
    torch.manual_seed(0)
    model, x = stirred(zoo.build("resnet20", 5)), images(60, size=16)
    channels = half_of(model, x[:1])
    with torch.no_grad():
        away = [
            float(
                (reconstruction.reconstructed(model, channels, x, batchnorm=batchnorm, target=one)(x) - model(x))
                .square()
                .mean()
            )
            for one in ("sums", "answers")
        ]
    assert away[0] < away[1]


class Late(Residual):
    """A shortcut that an operation in place brings, after the branch has read the value."""

    def joined(self, x):
        x = self.stem(x)
        y = self.norm(self.outer(F.relu(self.inner(x))))
        return y + F.relu_(x)


class Statement(Residual):
    """An operation in place as a statement between the branch and the projection that reads what it changed."""

    def joined(self, x):
        x = self.stem(x)
        y = self.outer(F.relu(self.inner(x)))
        F.relu_(x)
        return self.norm(y) + self.shortcut(x)


@pytest.mark.parametrize(("network", "projected"), [(Late, False), (Statement, True), (Statement, False)])
def test_a_value_that_is_overwritten_on_the_way_is_not_computed_earlier(network, projected):
    model, x = stirred(network(projected)), images(40)
    smaller = reconstruction.reconstructed(model, {"inner": [0, 5]}, x)
    own = reconstruction.reconstructed(model, {"inner": [0, 5]}, x, target="answers")
    assert error(smaller, own, x) == 0


class Discarded(Residual):
    """A branch that is added in place, by a statement whose result nothing reads; or the same out of place."""

    def __init__(self, inplace):
        super().__init__(False)
        self.inplace, self.behind = inplace, nn.Conv2d(8, 8, 1)

    def joined(self, x):
        x = F.relu(self.stem(x))
        y = self.norm(self.outer(F.relu(self.inner(x))))
        if self.inplace:
            x.add_(y)
        else:
            x = x + y
        return self.behind(x)


@pytest.mark.parametrize("batchnorm", ["kept", "online"])
def test_what_reads_a_value_that_was_overwritten_is_refitted(batchnorm):
    x = images(60)
    networks_made = [stirred(Discarded(inplace)) for inplace in (True, False)]
    ways = [
        reconstruction.reconstructed(model, {"inner": [0, 5, 7]}, x, batchnorm=batchnorm, target="answers")
        for model in networks_made
    ]
    for name, value in ways[1].state_dict().items():
        torch.testing.assert_close(ways[0].state_dict()[name], value)
    assert not torch.equal(ways[0].behind.weight, networks_made[0].behind.weight)


class Aliases(nn.Module):
    """Values that are overwritten through an alias of an alias, and through a part of them; each read again."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.same, self.dropped, self.relu = nn.Identity(), nn.Dropout(0.1), nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        y = self.relu(self.dropped(self.same(x)))
        return self.head((self.one(y) + self.two(x)).mean((2, 3)))


class Parts(Aliases):
    def forward(self, x):
        x = self.stem(x)
        left, right = torch.split(x, [4, 4], 1)
        F.relu_(left)
        return self.head((self.one(x) + self.two(torch.cat([right, left], 1))).mean((2, 3)))


@pytest.mark.parametrize("model", [Aliases, Parts])
def test_aliases_are_the_same_in_files_as_in_memory(model, monkeypatch):
    made = []
    for bound in (4 << 30, 0):
        monkeypatch.setattr(held_values, "BOUND", bound)
        made.append(reconstruction.reconstructed(stirred(model()), {"stem": []}, images(140)).state_dict())
        channels = half_of(stirred(model()), images(1))
        made.append(reconstruction.reconstructed(stirred(model()), channels, images(140)).state_dict())
    for place in (0, 1):
        assert all(torch.equal(value, made[place + 2][name]) for name, value in made[place].items())


class Positioned(Residual):
    """A parameter that is added to every image's map."""

    def __init__(self):
        super().__init__(False, norm=False)
        self.place = nn.Parameter(torch.randn(1, 8, 8, 8))

    def joined(self, x):
        return self.outer(F.relu(self.inner(F.relu(self.stem(x))))) + self.place


def test_a_parameter_that_is_added_is_no_value_of_each_image():
    model, x = stirred(Positioned()), images(129)
    smaller = reconstruction.reconstructed(model, {"inner": [0, 5]}, x)
    assert error(model, smaller, x) < error(model, removal.removed(model, {"inner": [0, 5]}, x), x)


def test_too_few_images_are_said_once_for_a_layer(caplog):
    caplog.set_level("WARNING")
    reconstruction.reconstructed(stirred(Chain()), {"first": [0]}, images(2))
    assert caplog.text.count("hidden is fitted to 2 rows for 96 weights each: the ridge decides; give more images") == 1


class Tied(Shared):
    """Two layers of one weight."""

    def __init__(self):
        super().__init__(1)
        self.other = nn.Conv2d(8, 8, 3, padding=1)
        self.other.weight = self.again.weight

    def forward(self, x):
        x = F.relu(self.again(F.relu(self.stem(x))))
        return self.head(F.relu(self.other(self.outer(F.relu(self.inner(x))))).mean((2, 3)))


class Folded(nn.Module):
    """A linear layer on positions that are folded into the images."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.stem, self.each, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        rows = F.relu(self.each(x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])))
        return self.head(rows.reshape(x.shape[0], -1, 8).mean(1))


@pytest.mark.parametrize(
    ("model", "channels", "layer", "why"),
    [
        (Tied, {"inner": [0, 3]}, "other", "its weights are read in another place too"),
        (Folded, {"stem": [0, 3]}, "each", "it is called on something else than one entry for each image"),
    ],
)
def test_what_cannot_be_fitted_is_named_with_the_reason(model, channels, layer, why, caplog):
    model, x = stirred(model()), images(40)
    caplog.set_level("WARNING")
    smaller = reconstruction.reconstructed(model, channels, x)
    pruned = removal.removed(model, channels, x)
    assert f"{layer} cannot be refitted, because {why}" in caplog.text
    assert torch.equal(smaller.get_submodule(layer).weight, pruned.get_submodule(layer).weight)
    with torch.no_grad():
        away = [float((network(x) - model(x)).square().mean()) for network in (smaller, pruned)]
    assert away[0] < away[1]


def test_what_does_not_read_otherwise_stays_bit_for_bit():
    """Layers beside an emptied branch, and a depthwise layer of which whole channels leave."""
    model, x = stirred(zoo.build("resnet20", 5)), images(40, size=16)
    smaller = reconstruction.reconstructed(model, {"layer2.1.conv1": list(range(32))}, x)
    for name in ("conv1", "bn1", "layer1.2.conv2", "layer2.0.bn2"):
        for kept, before in zip(
            *(net.get_submodule(name).state_dict().values() for net in (smaller, model)), strict=True
        ):
            assert torch.equal(kept, before)
    model = stirred(networks.separable())
    channels = half_of(model, x[:1])
    smaller = reconstruction.reconstructed(model, {name: channels[name] for name in channels}, x)
    pruned = removal.removed(model, channels, x)
    first = next(name for name, module in model.named_modules() if isinstance(module, nn.Conv2d) and module.groups > 1)
    assert torch.equal(smaller.get_submodule(first).weight, pruned.get_submodule(first).weight)


def test_a_channel_that_is_constant_for_the_images_keeps_its_variance():
    model, x = stirred(Chain()), images(40)
    with torch.no_grad():
        model.second.weight[2] = 0
    smaller = reconstruction.reconstructed(model, {"first": [0]}, x)
    assert smaller.other.running_var[2] == model.other.running_var[2]
    assert smaller.other.running_var[1] != model.other.running_var[1]


def test_statistics_that_are_used_are_taken_whether_or_not_they_are_tracked():
    model, x = stirred(Chain()), images(40)
    tracked = reconstruction.reconstructed(model, {"first": [0, 1]}, x)
    model.other.track_running_stats = False
    assert error(tracked, reconstruction.reconstructed(model, {"first": [0, 1]}, x), x) == 0


def test_one_group_that_is_left_is_fitted_by_either_fit():
    """A depthwise layer of one channel is one without groups."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8)]
    model = stirred(nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)))
    channels = {"0": [0, 1], "1": list(range(7)), "3": list(range(7))}
    for fit in FITS:
        smaller = reconstruction.reconstructed(model, channels, images(60), fit)
        assert smaller.get_submodule("3").groups == 1
        assert error(model, smaller, images(60)) < error(model, removal.removed(model, channels, images()), images(60))


def test_rows_far_from_zero_lose_no_digits_in_float32():
    generator = torch.Generator().manual_seed(0)
    inputs = 1000 + torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    targets = inputs @ torch.tensor([[1.0], [2.0], [-3.0]], dtype=torch.float64) + 5
    sums = Regression(3, 1, len(inputs))
    for part in torch.arange(len(inputs)).split(500):
        sums.add(inputs[part].float(), targets[part].float())
    weights, constant = sums.solved(torch.zeros(3, 1), 0)
    torch.testing.assert_close(weights[:, 0], torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"fit": "rows"}, "fit is 'rows'; it must be one of channels, patches"),
        ({"batchnorm": "off"}, "batchnorm is 'off'; it must be one of kept, online"),
        ({"ridge": -1.0}, "ridge is -1.0"),
        ({"images": images(1)}, "give at least two"),
        ({"images": images(4)[0]}, "give at least two"),
        ({"images": images(4) / 0}, "no numbers"),
    ],
)
def test_images_and_options_that_calibrate_nothing_are_refused(bad, message):
    with pytest.raises(Refused, match=message):
        reconstruction.reconstructed(stirred(Chain()), {"first": [0]}, **{"images": images(), **bad})


class Read(networks.Small):
    """A convolution whose weights the forward reads itself."""

    def __init__(self):
        super().__init__()
        self.two = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.end(F.relu(F.conv2d(self.start(x), self.two.weight, self.two.bias)))


def test_a_layer_that_cannot_be_refitted_is_named_and_left_as_it_is(caplog):
    model, x = stirred(Read()), images(8, size=16)
    caplog.set_level("WARNING")
    smaller = reconstruction.reconstructed(model, {"stem": [0, 3]}, x)
    assert "two cannot be refitted" in caplog.text and "left as it is" in caplog.text
    assert torch.equal(smaller.two.weight, model.two.weight[:, [1, 2, 4, 5, 6, 7]])


def test_positions_are_sampled_and_the_same_in_every_block(monkeypatch):
    model, x = stirred(Chain()), images(30)
    coupled = coupling.followed(model, x[:1])
    whole = dense_answers.of(coupled.graph, list(coupled.outputs), x, inputs=False)
    monkeypatch.setattr(dense_answers, "POSITIONS", 100)
    few = dense_answers.of(coupled.graph, list(coupled.outputs), x, inputs=False)
    monkeypatch.setattr(dense_answers, "BLOCK", 7)
    blocks = dense_answers.of(coupled.graph, list(coupled.outputs), x, inputs=False)
    for call, rows in few.items():
        assert len(rows.ids) == min(100, len(whole[call].ids))
        torch.testing.assert_close(rows.values, whole[call].values[rows.ids])
        assert torch.equal(rows.ids, blocks[call].ids)
        torch.testing.assert_close(rows.values, blocks[call].values)
    reconstruction.reconstructed(model, {"first": [0]}, x)


def test_in_float32_the_network_is_that_of_float64():
    model, x = stirred(Chain()), images(60)
    exact = reconstruction.reconstructed(model, {"first": [1, 4]}, x)
    rounded = reconstruction.reconstructed(copy.deepcopy(model).float(), {"first": [1, 4]}, x.float())
    assert error(exact.float(), rounded, x.float()) < 1e-3


def test_what_cannot_be_removed_is_refused_as_by_removal():
    with pytest.raises(Refused, match="the model has no layer 'nothing'"):
        reconstruction.reconstructed(stirred(Chain()), {"nothing": [0]}, images())
    assert np.isfinite(error(stirred(Chain()), stirred(Chain()), images()))
