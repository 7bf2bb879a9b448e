"""Convolutions in other ways against torch's, in float64 to rounding."""

import hypothesis
import pytest
import torch
from hypothesis import strategies
from torch import nn

from secateur import convolutions, models, winograd

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
@pytest.mark.parametrize("way", [winograd.Convolution, convolutions.Patches])
def test_it_is_the_same_function(way, count, inputs, outputs, height, width, bias):
    conv, x = conv_and_maps(count, inputs, outputs, height, width, bias)
    compared(way(conv), conv, x)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(SMALL, SMALL, SMALL, *[strategies.integers(1, 4)] * 2, strategies.booleans())
def test_a_linear_layer_is_the_same_function(count, inputs, outputs, height, width, bias):
    conv, x = conv_and_maps(count, inputs, outputs, height, width, bias)
    compared(convolutions.Dense(conv, height, width), conv, x)


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
    assert convolutions.way(conv, size, size, torch.float32) is None


def test_the_way_follows_what_is_fastest():
    wide, narrow = nn.Conv2d(512, 512, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    dense, patches, minimal = convolutions.Dense, convolutions.Patches, winograd.Convolution

    def ways(conv, dtype):
        return [convolutions.way(conv, size, size, dtype) for size in (2, 4, 8, 32)]

    assert ways(wide, torch.float32) == [dense, minimal, minimal, minimal]
    assert ways(narrow, torch.float32) == [dense, minimal, None, None]
    assert ways(wide, torch.bfloat16) == [dense, patches, None, None]
    assert ways(narrow, torch.bfloat16) == [dense, None, None, None]


@pytest.mark.parametrize(("dtype", "changed"), [(torch.float32, 4), (torch.bfloat16, 2)])
def test_a_whole_network_is_the_same_to_rounding(dtype, changed):
    torch.manual_seed(0)
    model = models.build("vgg_small", 10, widths=[16, 80, 80, 24, 24, 24]).double().eval()
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    convs = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    with torch.no_grad():
        wanted = model(x)
        found = convolutions.inserted(model, convolutions.sizes(model, x), dtype)(x)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
    assert convs - sum(isinstance(module, nn.Conv2d) for module in model.modules()) == changed
