"""A folded network is the same function without BatchNorm."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from secateur.graph import folding
from secateur.models import zoo


def stirred(model, seed=0):
    """BatchNorm with statistics and weights of its own, some negative, some zero; in float64."""
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.01, 3, generator=generator)
            if layer.affine:
                nn.init.normal_(layer.weight, generator=generator)
                nn.init.normal_(layer.bias, generator=generator)
                with torch.no_grad():
                    layer.weight[0] = 0
    return model.double().eval()


def blocks(bias=True, affine=True):
    """Convolution, linear layer, each with BatchNorm right behind it."""
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4, affine=affine), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(4 * 36, 5, bias=bias), nn.BatchNorm1d(5, affine=affine), nn.ReLU(), nn.Linear(5, 2)),
    )


@settings(max_examples=25, deadline=None)
@given(st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_the_fold_computes_what_the_network_computes(bias, affine, seed):
    model = stirred(blocks(bias, affine), seed)
    pixels = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        torch.testing.assert_close(folding.folded(model)(pixels), model(pixels), rtol=1e-12, atol=1e-12)


def test_the_zoos_small_network_folds_to_one_with_as_many_biases_as_batchnorms():
    model = stirred(zoo.build("vgg_small", 4, widths=[4, 4, 6, 6, 8, 8]))
    small, pixels = folding.folded(model), torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(small(pixels), model(pixels), rtol=1e-12, atol=1e-12)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in small.modules())
    assert {name for name, _ in small.named_modules()} == {name for name, _ in model.named_modules()}
    assert sum(layer.bias is not None for layer in small.modules() if isinstance(layer, nn.Conv2d)) == 6


def test_a_folded_filter_is_its_weights_times_batchnorms_scale():
    model = stirred(blocks(bias=False))
    conv, norm = model[0], model[1]
    scale = norm.weight[2].item() / (norm.running_var[2].item() + norm.eps) ** 0.5
    small = folding.folded(model)
    torch.testing.assert_close(small[0].weight[2], conv.weight[2] * scale, rtol=1e-14, atol=0)
    expected = norm.bias[2].item() - norm.running_mean[2].item() * scale
    assert small[0].bias[2].item() == pytest.approx(expected, rel=1e-14)


def test_the_given_network_is_untouched_and_shares_no_memory():
    model = stirred(blocks()).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    small = folding.folded(model)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.fill_(7)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model.training and not small.training


def test_float32_is_folded_in_float64_and_rounded_once():
    model = stirred(blocks()).float()
    rounded, exact = folding.folded(model), folding.folded(copy.deepcopy(model).double())
    for name, tensor in rounded.state_dict().items():
        assert torch.equal(tensor, exact.state_dict()[name].float())


def test_a_network_without_batchnorm_is_copied():
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    small = folding.folded(model)
    assert small is not model and torch.equal(small[0].weight, model[0].weight)


class Shared(nn.Module):
    """A convolution that an addition reads beside BatchNorm."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, pixels):
        x = self.conv(pixels)
        return self.norm(x) + x


class Twice(Shared):
    """One convolution, called twice, BatchNorm behind the second call."""

    def forward(self, pixels):
        return self.norm(self.conv(self.conv(pixels)))


class Unused(Shared):
    """A BatchNorm that nothing calls."""

    def forward(self, pixels):
        return self.conv(pixels)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)),
            "BatchNorm 2 does not follow a convolution or linear layer but 1; it cannot be folded",
        ),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
            "BatchNorm 1 has no running statistics; it cannot be folded",
        ),
        (Shared(), "BatchNorm norm is not the only one to use conv; it cannot be folded"),
        (Twice(), "BatchNorm norm is not the only one to use conv; it cannot be folded"),
        (Unused(), "BatchNorm norm is used 0 times; only one that is used once can be folded"),
    ],
)
def test_what_cannot_be_folded_is_named(model, message):
    with pytest.raises(ValueError) as refused:
        folding.folded(model)
    assert str(refused.value) == message


def test_a_batchnorm_without_running_statistics_is_left_as_it_is():
    own = nn.BatchNorm2d(4, track_running_stats=False)
    model = stirred(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3)))
    model.append(own.double().eval())
    pixels = torch.randn(3, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    small = folding.folded(model, strict=False)
    assert isinstance(small[1], nn.Identity) and small[4].running_mean is None
    assert all(torch.equal(small[3].state_dict()[key], value) for key, value in model[3].state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(small(pixels), model(pixels), rtol=1e-12, atol=1e-12)
