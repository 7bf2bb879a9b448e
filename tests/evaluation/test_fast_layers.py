"""Layers in other ways against torch's own, in float64 to rounding."""

import hypothesis
import pytest
import torch
from hypothesis import strategies
from torch import nn

from secateur.evaluation import fast_layers, winograd
from secateur.graph import folding
from secateur.models import zoo

SMALL = strategies.integers(1, 9)


def compared(made, conv, x):
    torch.testing.assert_close(made(x), conv(x), rtol=1e-9, atol=1e-11)
    last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(made(last), conv(x), rtol=1e-9, atol=1e-11)


def conv_and_maps(count, inputs, outputs, height, width, bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias).double()
    return conv, torch.randn(count, inputs, height, width, dtype=torch.float64)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(SMALL, SMALL, SMALL, SMALL, SMALL, strategies.booleans())
@pytest.mark.parametrize("way", [winograd.Convolution, fast_layers.Patches])
def test_it_is_the_same_function(way, count, inputs, outputs, height, width, bias):
    conv, x = conv_and_maps(count, inputs, outputs, height, width, bias)
    compared(way(conv), conv, x)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(SMALL, SMALL, SMALL, *[strategies.integers(1, 4)] * 2, strategies.booleans())
def test_a_linear_layer_is_the_same_function(count, inputs, outputs, height, width, bias):
    conv, x = conv_and_maps(count, inputs, outputs, height, width, bias)
    compared(fast_layers.Dense(conv, height, width), conv, x)


def test_many_images_go_in_parts(monkeypatch):
    monkeypatch.setattr(winograd, "CHUNK", 20_000)
    conv, x = conv_and_maps(11, 3, 5, 9, 7, True)
    compared(winograd.Convolution(conv), conv, x)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(128, 128, 3, padding=1, stride=2),
        nn.Conv2d(128, 128, 3, padding=2, dilation=2),
        nn.Conv2d(128, 128, 3, padding=1, groups=2),
        nn.Conv2d(128, 128, 3),
        nn.Conv2d(128, 128, 5, padding=2),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="reflect"),
        nn.Linear(128, 128),
    ],
)
@pytest.mark.parametrize("size", [2, 8])
def test_what_does_not_fit_stays(conv, size):
    assert fast_layers.kernel(conv, size, size, torch.float32) is None


def test_the_way_follows_what_is_fastest():
    wide, narrow = nn.Conv2d(512, 512, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    dense, patches, minimal = fast_layers.Dense, fast_layers.Patches, winograd.Convolution

    def ways(conv, dtype):
        return [fast_layers.kernel(conv, size, size, dtype) for size in (2, 4, 8, 32)]

    assert ways(wide, torch.float32) == [dense, minimal, minimal, minimal]
    assert ways(narrow, torch.float32) == [dense, minimal, None, None]
    assert ways(wide, torch.bfloat16) == [dense, patches, None, None]
    assert ways(narrow, torch.bfloat16) == [dense, None, None, None]


@pytest.mark.parametrize(("dtype", "changed"), [(torch.float32, 4), (torch.bfloat16, 2)])
def test_a_whole_network_is_the_same_to_rounding(dtype, changed):
    torch.manual_seed(0)
    model = zoo.build("vgg_small", 10, widths=[16, 80, 80, 24, 24, 24]).double().eval()
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    convs = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    with torch.no_grad():
        wanted = model(x)
        found = fast_layers.inserted(model, fast_layers.replaceable(model, x), dtype)(x)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
    assert convs - sum(isinstance(module, nn.Conv2d) for module in model.modules()) == changed


@hypothesis.given(SMALL, SMALL, *[strategies.integers(2, 9)] * 2, strategies.booleans())
@hypothesis.settings(max_examples=30, deadline=None)
def test_a_pool_is_the_same_function(count, channels, height, width, relu):
    torch.manual_seed(0)
    x = torch.randn(count, channels, height, width, dtype=torch.float64)
    wanted = nn.MaxPool2d(2)(x.relu() if relu else x)
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(fast_layers.Pool(relu)(x.contiguous(memory_format=layout)), wanted)


class Sharing(nn.Module):
    """A ReLU that is read twice, one that is called twice, and pools of other kinds."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.read_twice, self.called_twice, self.alone = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.pool, self.other, self.last = nn.MaxPool2d(2), nn.MaxPool2d(3, 2), nn.MaxPool2d(2)
        self.end = nn.Linear(4, 2)

    def forward(self, x):
        x = self.read_twice(self.one(x))
        x = self.called_twice(self.pool(x) + self.other(nn.functional.pad(x, (0, 1, 0, 1))))
        x = self.last(self.alone(self.two(self.called_twice(x))))
        return self.end(x.mean((2, 3)))


def test_only_what_nobody_else_reads_is_moved_or_written_over():
    torch.manual_seed(0)
    model, x = Sharing().double().eval(), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    found = fast_layers.replaceable(model, x)
    assert found.pools == {"pool": None, "last": "alone"} and found.in_place == {"read_twice": "one", "alone": "two"}
    with torch.no_grad():
        wanted = model(x)
        changed = fast_layers.inserted(model, found, torch.float32)
        torch.testing.assert_close(changed(x), wanted, rtol=1e-9, atol=1e-11)
    assert isinstance(changed.other, nn.MaxPool2d) and isinstance(changed.read_twice, nn.ReLU)
    assert isinstance(changed.last, fast_layers.Pool) and isinstance(changed.alone, nn.Identity)


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v1", "densenet40_24", "resnet18", "googlenet", "vgg16_bn"])
def test_networks_of_the_zoo_are_the_same(name):
    torch.manual_seed(0)
    model, x = zoo.build(name, 10).double().eval(), torch.randn(2, 3, 32, 32, dtype=torch.float64)
    folded = folding.folded(model, strict=False)
    with torch.no_grad():
        wanted = model(x)
        found = fast_layers.inserted(folded, fast_layers.replaceable(folded, x), torch.float32)(x)
    assert (found - wanted).abs().max() <= 1e-9 * (wanted.max() - wanted.min())
