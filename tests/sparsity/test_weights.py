"""The smallest weights of a network, what the others show, and the gradients of both."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from secateur import Refused
from secateur.models import zoo
from secateur.sparsity.weights import Weights, prunable, shaped, smallest, zeros_at


class Branched(nn.Module):
    """Dilated, grouped, circular and transposed convolutions, a shared weight, and a head."""

    def __init__(self):
        super().__init__()
        self.dilated = nn.Conv2d(3, 4, 3, padding=2, dilation=2)
        self.norm = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="circular")
        self.back = nn.ConvTranspose2d(4, 4, 2, bias=False)
        self.shared = nn.Linear(4, 4)
        self.twin = nn.Linear(4, 4, bias=False)
        self.twin.weight = self.shared.weight
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        hidden = self.back(self.depthwise(self.norm(self.dilated(images)).relu())).mean((2, 3))
        return self.head(self.twin(self.shared(hidden).relu()))


def network():
    torch.manual_seed(3)
    return Branched()


IMAGES = torch.randn(6, 3, 7, 7, generator=torch.Generator().manual_seed(1))


def test_weights_of_convolutions_and_linear_layers_are_prunable_and_nothing_else():
    names = [f"{name}.weight" for name in ("dilated", "depthwise", "back", "shared", "head")]
    assert list(prunable(network())) == names
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), nn.Linear(3, 2))
    with pytest.raises(Refused, match="the weight of 0 is computed from others"):
        prunable(normed)
    with pytest.raises(Refused, match="no convolution and no linear layer"):
        prunable(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))


@pytest.mark.parametrize(
    ("name", "tensors", "count"),
    [("resnet20_wide", 22, 1_092_960), ("mobilenet_v1", 28, 3_287_488), ("densenet40_24", 40, 703_920)],
)
def test_prunable_weights_of_the_networks_of_the_source_are_those_of_its_code(name, tensors, count):
    with torch.device("meta"):
        weights = prunable(zoo.build(name, 100))
    assert (len(weights), sum(weight.numel() for weight in weights.values())) == (tensors, count)


@pytest.mark.parametrize("count", [1, 2, 999, 72_496, 1_092_960])
@pytest.mark.parametrize("sparsity", ["0", "0.5", "0.9", "0.98", "0.995"])
def test_zeros_are_those_up_to_the_quantile(count, sparsity):
    exact = Fraction(sparsity)
    zeros = zeros_at(exact, count)
    assert abs(zeros - count * exact) <= 1
    if exact:
        # In 80 bits: in float64 the place of the quantile may round up to the next.
        row = np.arange(1, count + 1)
        place = np.quantile(row, float(sparsity), method="lower")
        assert zeros in (place, place - 1, place + 1) and zeros == math.floor((count - 1) * exact) + 1
    else:
        assert zeros == 0


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 3.0]), min_size=1, max_size=30), st.data())
def test_of_equal_values_the_first_are_chosen(values, data):
    count = data.draw(st.integers(0, len(values)))
    row = torch.tensor(values)
    chosen = torch.zeros(len(values), dtype=torch.bool)
    threshold = smallest(row.clone, chosen, count)
    expected = np.argsort(values, kind="stable")[:count]
    assert sorted(expected) == chosen.nonzero().flatten().tolist()
    if count:
        # What is chosen lies at the threshold or, where a tie was cut, one float above it; the rest lies above.
        assert (row[~chosen] > threshold).all() and row[chosen].max().item() - threshold < 1e-6


POWERS = (1, 2, 3, 10)


@pytest.mark.parametrize("power", POWERS)
def test_the_form_above_the_threshold_is_odd_monotone_and_that_of_the_paper(power):
    weight, threshold = torch.linspace(-5, 5, 10_001, dtype=torch.float64), 1.0
    shown = shaped(weight, threshold, power)
    powers = weight.abs() ** power - threshold**power
    paper = weight.sign() * powers.clamp(min=0) ** (1 / power)
    torch.testing.assert_close(shown, paper)
    torch.testing.assert_close(shown, -shown.flip(0))
    assert (shown.diff() >= 0).all() and (shown.abs() <= weight.abs()).all()
    assert (shown[weight.abs() <= threshold] == 0).all()
    gap = weight[-1] - shown[-1]
    if power == 1:
        assert gap == threshold
    # Gaps at five times the threshold, by the closed form.
    assert gap.item() == pytest.approx(5 - (5**power - 1) ** (1 / power), rel=1e-9)


def test_the_form_keeps_its_digits_in_half_precision():
    weight = torch.linspace(0.011, 0.02, 100)
    exact = shaped(weight.double(), 0.01)
    assert ((shaped(weight, 0.01) - exact) / exact).abs().max() < 1e-5
    powers = (weight.half() ** 3 - torch.tensor(0.01).half() ** 3).clamp(min=0) ** (1 / 3)
    assert ((powers - exact) / exact).abs().max() > 1e-2


def test_closed_weights_are_zero_while_shown_and_come_back_afterwards():
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = Weights(model)
    weights.close(200)
    with weights.shown():
        row = torch.cat([tensor.detach().flatten() for tensor in prunable(model).values()])
        assert int((row == 0).sum()) == 200
        original = torch.cat([before[name].flatten() for name in prunable(model)])
        order = np.argsort(original.abs().numpy(), kind="stable")
        assert row[order[:200]].abs().max() == 0
        torch.testing.assert_close(row, shaped(original, original.abs()[order[199]].item()))
        # Layers are as they were: the keys are the network's own.
        assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_weights_come_back_after_an_error():
    model = network()
    before = model.head.weight.clone()
    weights = Weights(model)
    weights.close(200)
    with pytest.raises(ZeroDivisionError), weights.shown():
        raise ZeroDivisionError
    assert torch.equal(model.head.weight, before)


def test_of_equal_weights_exactly_as_many_are_zero():
    """All weights alike: the threshold cuts a tie, and what stays open is no zero."""
    model = network()
    for tensor in prunable(model).values():
        nn.init.constant_(tensor, 0.25)
    weights = Weights(model)
    weights.close(137)
    with weights.shown():
        row = torch.cat([tensor.detach().flatten() for tensor in prunable(model).values()])
        assert row[:137].abs().max() == 0 and (row[137:] > 0).all()


def test_gradients_of_open_weights_are_those_of_the_shown_ones_and_of_closed_ones_scaled():
    model, other = network(), network()
    weights = Weights(model)
    weights.close(150)
    threshold = weights.threshold

    class Feather(torch.autograd.Function):
        """By the paper, with autograd."""

        @staticmethod
        def forward(ctx, weight):
            ctx.opened = weight.abs() > threshold
            return torch.where(ctx.opened, shaped(weight, threshold), torch.zeros(()))

        @staticmethod
        def backward(ctx, gradient):
            return torch.where(ctx.opened, gradient, 0.67 * gradient)

    given = {name: Feather.apply(weight) for name, weight in prunable(other).items()}
    expected = torch.func.functional_call(other, given, (IMAGES,), tie_weights=True)
    expected.square().sum().backward()
    with weights.shown():
        logits = model(IMAGES)
        logits.square().sum().backward()
    weights.scale_gradients(0.67)
    assert torch.equal(logits, expected)
    for (name, tensor), reference in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(tensor.grad, reference.grad), name


def test_dropped_weights_are_closed_before_all_others_and_have_no_gradient():
    model = network()
    weights = Weights(model)
    dropped = torch.zeros(weights.count, dtype=torch.bool)
    dropped[-5:] = True  # of the head, where they need not be the smallest
    weights.close(5, dropped)
    others = torch.cat([tensor.detach().flatten().abs() for tensor in weights.tensors])[~dropped]
    assert torch.equal(weights.closed, dropped)
    # Right below the smallest that is open: the largest of the closed ones is not known any more.
    assert weights.threshold == np.nextafter(others.min().numpy(), np.float32(0))
    with weights.shown():
        model(IMAGES).square().sum().backward()
    assert model.head.weight.grad[-1].abs().min() > 0
    weights.scale_gradients(1.0, dropped)
    assert model.head.weight.grad.flatten()[-5:].abs().max() == 0 and model.head.weight.grad.flatten()[0] != 0


@pytest.mark.parametrize("zeros", [5, 6, 40, 200])
def test_beside_dropped_weights_the_smallest_of_the_others_are_closed_also_where_all_are_zero(zeros):
    """As by a stable sort in which dropped weights come first, whatever they became by momentum."""
    model, generator = network(), torch.Generator().manual_seed(4)
    with torch.no_grad():
        model.dilated.weight.zero_()
    weights = Weights(model)
    dropped = torch.zeros(weights.count, dtype=torch.bool)
    dropped[torch.randperm(weights.count, generator=generator)[:5]] = True
    before = torch.cat([tensor.detach().flatten() for tensor in weights.tensors])
    weights.close(zeros, dropped)
    order = np.lexsort((np.where(dropped, -1, before.abs()),))
    assert set(weights.closed.nonzero().flatten().tolist()) == set(order[:zeros].tolist())
    assert torch.equal(torch.cat([tensor.detach().flatten() for tensor in weights.tensors]), before * ~dropped)


def test_weights_at_places_of_the_row_are_cleared_in_any_memory_format():
    model = network().to(memory_format=torch.channels_last)
    weights = Weights(model)
    before = torch.cat([tensor.detach().flatten() for tensor in weights.tensors])
    ids = torch.tensor([0, 1, 7, 108, 109, weights.count - 1])
    weights.clear(ids)
    after = torch.cat([tensor.detach().flatten() for tensor in weights.tensors])
    assert before[ids].abs().min() > 0 and torch.equal(after, before.index_fill(0, ids, 0))
    weights.clear(ids[:0])
    assert torch.equal(after, torch.cat([tensor.detach().flatten() for tensor in weights.tensors]))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(value):
    model = network()
    with torch.no_grad():
        model.head.weight[0, 0] = value
    with pytest.raises(Refused, match="a weight is NaN or infinite"):
        Weights(model).close(10)
