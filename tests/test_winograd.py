"""Winograd's convolutions against torch's, in float64 to rounding."""

import hypothesis
import pytest
import torch
from hypothesis import strategies
from torch import nn

from secateur import models, winograd


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(
    strategies.sampled_from([2, 4]), *[strategies.integers(1, 9) for _ in range(5)], strategies.booleans()
)
def test_it_is_the_same_function(side, count, inputs, outputs, height, width, bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias).double()
    x = torch.randn(count, inputs, height, width, dtype=torch.float64)
    found = winograd.Convolution(conv, side)(x)
    torch.testing.assert_close(found, conv(x), rtol=1e-9, atol=1e-11)


def test_many_images_go_in_parts(monkeypatch):
    monkeypatch.setattr(winograd, "CHUNK", 20_000)
    conv = nn.Conv2d(3, 5, 3, padding=1).double()
    x = torch.randn(11, 3, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(winograd.Convolution(conv, 4)(x), conv(x), rtol=1e-9, atol=1e-11)


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
def test_what_does_not_fit_stays(conv):
    assert winograd.tile(conv, 8, 8) is None


def test_the_tile_follows_what_is_fastest():
    wide, narrow = nn.Conv2d(256, 256, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    assert [winograd.tile(wide, size, size) for size in (2, 4, 8, 32)] == [2, 4, 4, 4]
    assert [winograd.tile(narrow, size, size) for size in (2, 4, 8, 32)] == [2, 4, None, None]


def test_a_whole_network_is_the_same_to_rounding():
    torch.manual_seed(0)
    model = models.build("vgg_small", 10, widths=[16, 80, 80, 24, 24, 24]).double().eval()
    x = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        wanted = model(x)
        found = winograd.inserted(model, winograd.sizes(model, x))(x)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
    assert sum(isinstance(module, winograd.Convolution) for module in model.modules()) == 3
