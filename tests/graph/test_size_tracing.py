"""Forwards that ask how large their images are: traced for one size, for any number of images."""

import copy
import logging
import math

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from secateur import Refused
from secateur.criteria import from_images
from secateur.graph import folding, size_tracing, tracing
from secateur.models import description
from secateur.pruning import masking, removal
from secateur.relevance import propagation
from secateur.units import coupling, finding
from support.networks import OWN, pixels, stirred
from support.removal import assert_equal_three_ways, drawn


class Asking(nn.Module):
    """Sizes are asserted, counted with, looped over, branched on and unpacked; one layer is never called."""

    def __init__(self, classes=5):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8)
        self.one, self.two = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 6, 1)
        self.head, self.aside = nn.Linear(24, classes), nn.Linear(4, 4)
        self.spare = nn.Parameter(torch.zeros(2))
        self.register_buffer("shift", torch.zeros(1), persistent=False)

    def forward(self, x):
        assert x.ndim == 4 and x.size(1) == self.stem.in_channels
        right, below = (max((math.ceil(n / 2) - 1) * 2 + 3 - n, 0) for n in x.shape[-2:])
        x = F.relu(self.norm(self.stem(F.pad(x, (0, right, 0, below)))))
        count, channels, height, width = x.shape
        if height < 7 or width < 7:
            x = F.interpolate(x, size=(7, 7))
        for _ in range(int(math.log2(height))):
            x = F.max_pool2d(x, 2) if x.shape[-1] > 4 else x
        x = F.dropout(F.relu(self.one(x)), 0.5, self.training)
        x = F.adaptive_avg_pool2d(x + self.two(x).reshape(count, -1, *x.shape[2:]), 2)
        return self.head(x.view(count, -1) + self.shift)


def network():
    torch.manual_seed(0)
    return Asking()


@pytest.mark.parametrize("size", [32, 9])
def test_the_traced_network_is_the_same_function_for_any_number_of_images(size):
    model, images = stirred(network()), pixels(size=size, count=7)
    with pytest.raises(Exception, match="symbolically traced|Proxy"):
        fx.symbolic_trace(model)
    found = size_tracing.traced(model, (3, size, size))
    for count in (1, 2, 7):
        assert torch.equal(found(images[:count]), model(images[:count]))
    assert not any(node.target is getattr and not node.users for node in found.graph.nodes)
    assert torch.equal(fx.symbolic_trace(found)(images), model(images))


@pytest.mark.parametrize("made", OWN)
def test_what_torch_fx_traces_is_the_same_function(made):
    model, images = stirred(made()), pixels(count=3)
    assert torch.allclose(size_tracing.traced(model, (3, 16, 16))(images), model(images), rtol=1e-12)


def test_modes_and_weights_are_the_models_own():
    model = network().train()
    model.norm.eval()
    found = size_tracing.traced(model, (3, 32, 32))
    assert found.training and not model.norm.training and model.one.training
    assert found.get_submodule("stem") is model.stem
    assert list(copy.deepcopy(found).state_dict())
    assert {key: id(value) for key, value in found.named_parameters()} == {
        key: id(value) for key, value in model.named_parameters()
    }


def test_channels_are_followed_at_the_size_of_the_example():
    model, images = stirred(network()), pixels(size=32)
    found = finding.find(model, images)
    assert len(found.units) == 8 + 6
    smaller = assert_equal_three_ways(model, found, drawn(found, 0.5), images)
    # The forward is the user's own still.
    assert type(smaller) is Asking
    with pytest.raises(ValueError, match=r"test_size_tracing.py:\d+ .*: .*symbolically traced variables"):
        coupling.followed(model)


def test_a_branch_on_values_stops_the_trace_at_its_line():
    class Deciding(Asking):
        def forward(self, x):
            return super().forward(x if x.sum() > 0 else -x)

    with pytest.raises(ValueError, match=r"cannot trace Deciding: .*test_size_tracing.py:\d+ \(return super"):
        tracing.traced(Deciding(), (3, 32, 32))
    model = Deciding()
    assert tracing.traceable(model, (3, 32, 32)) is model


def test_a_wrapped_network_is_refused_by_its_wrapper():
    with pytest.raises(
        ValueError, match="^the network is wrapped in a DataParallel: give what is inside, its .module$"
    ):
        tracing.traceable(nn.DataParallel(network()), (3, 32, 32))


def test_a_network_that_asks_for_sizes_is_one_like_any_other(caplog):
    model, images = stirred(network()), pixels(size=32, count=4)
    with caplog.at_level(logging.WARNING):
        found = tracing.traceable(model, (3, 32, 32))
    assert "is traced for images of 3x32x32 alone, without dropout by functions" in caplog.text
    assert found.state_dict().keys() == model.state_dict().keys()
    assert tracing.traceable(found, (3, 32, 32)) is found
    torch.testing.assert_close(folding.folded(found)(images), model(images))
    assert set(propagation.propagate(found, images, rule="epsilon")) == {"stem", "one", "two"}
    labels = torch.tensor([0, 1, 2, 3])
    assert set(from_images.of_images(found, "taylor", [(images, labels)])) == {"stem", "one", "two"}
    channels = drawn(finding.find(found, images), 0.5)
    with masking.masked(found, channels), torch.no_grad():
        wanted = found(images)
    torch.testing.assert_close(removal.removed(found, channels, images)(images), wanted)


def test_a_factory_of_such_a_network_gives_what_can_be_traced(monkeypatch):
    monkeypatch.setattr("secateur.models.own.made", lambda factory, classes, arguments: Asking(classes))
    described = description.NetworkDescription("mine.make", {}, tuple("abcd"), (3, 32, 32), "mine:make")
    assert isinstance(description.built(described), fx.GraphModule)


class Restless(nn.Module):
    """A forward that draws random numbers, writes into a buffer, and asks for images that are not blank."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("variance", torch.ones(4))

    def forward(self, x):
        torch._assert(x.amax() > 0, "blank")
        x = self.first(x) + torch.randn_like(x).sum(1, keepdim=True)
        return F.batch_norm(x, self.mean, self.variance, training=True).mean((2, 3))


def test_following_leaves_buffers_and_random_numbers_as_they_are():
    model, images = Restless(), torch.rand(1, 3, 8, 8)
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    assert coupling.followed(model, images).outputs.keys() == {"first"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(Refused, match="cannot take images of shape"):
        coupling.followed(model, torch.zeros(1, 3, 8, 8))
