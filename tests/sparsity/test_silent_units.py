"""Units of sparse networks that can be removed: what reads nothing of them, and what is zero by itself."""

import pytest
import torch
from torch import nn

from secateur import pruning
from secateur.sparsity import silent_units
from secateur.units import finding

IMAGES = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(*layers):
    """Three channels to six, some layers for them, and a head; BatchNorm with weights and statistics of a training."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), *layers,
        nn.Conv2d(6, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4),
    )  # fmt: skip
    norm = model[1]
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5)
        norm.bias.copy_(torch.tensor([0.3, 0.3, -0.3, -0.3, 0.3, -0.3]))
        norm.running_mean.uniform_(-1, 1)
    return model.eval()


def found(model):
    return silent_units.silent(model, finding.find(model, IMAGES), IMAGES)


@pytest.mark.parametrize("depthwise", [False, True])
def test_units_that_no_weight_reads_are_removed_without_a_change(depthwise):
    layers = [nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.ReLU()] if depthwise else []
    model = network(*layers)
    reader = model[3 + len(layers)]
    with torch.no_grad():
        reader.weight[:, [1, 4]] = 0
    channels = found(model)
    expected = {"0": [1, 4], "3": [1, 4]} if depthwise else {"0": [1, 4]}
    assert channels == expected
    smaller = pruning.removed(model, channels, IMAGES)
    torch.testing.assert_close(smaller(IMAGES), model(IMAGES), rtol=0, atol=1e-6)


def test_units_without_weights_are_removed_where_their_constant_is_zero():
    model = network()
    with torch.no_grad():
        model[0].weight[[0, 2, 3]] = 0
        # Constants are (0 - mean) / deviation times the weight plus the bias: made positive for unit 0 alone.
        model[1].running_mean.copy_(torch.zeros(6))
    assert found(model) == {"0": [2, 3]}
    smaller = pruning.removed(model, {"0": [2, 3]}, IMAGES)
    torch.testing.assert_close(smaller(IMAGES), model(IMAGES), rtol=0, atol=1e-6)


def test_constants_that_only_these_images_hide_are_not_silent():
    """A unit that is read by a dead one alone, and two of which each alone keeps another shut."""
    model = network()
    with torch.no_grad():
        model[0].weight[[0, 1]] = 0
        model[1].running_mean.zero_()
        model[3].weight.abs_().neg_()
    assert found(model) == {}
    with torch.no_grad():
        model[3].weight[:, :2] = 0
    assert found(model) == {"0": [0, 1]}


def test_a_dense_network_has_none():
    assert found(network()) == {}
