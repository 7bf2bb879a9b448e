"""The published code of Feather as an oracle, and the three defects of it that ours is without.

FEATHER_REFERENCE names a checkout of github.com/athglentis/feather (MIT; compared at d4aefe6), of which nothing is
copied.
"""

import copy
import importlib.util
import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused
from secateur.models import zoo
from secateur.sparsity import feather, schedules
from secateur.sparsity.weights import Weights, prunable, shaped, smallest, zeros_at
from secateur.training import optimisation, ramps
from support.sparse import FEATHER

CHECKOUT = os.environ.get("FEATHER_REFERENCE")
beside_the_reference = pytest.mark.skipif(
    not CHECKOUT, reason="FEATHER_REFERENCE names no checkout of github.com/athglentis/feather"
)
EPOCHS, BY_EPOCH = 5, 4
STEPS = EPOCHS * BY_EPOCH


@pytest.fixture
def reference():
    """The module of the reference that has all of Feather."""
    spec = importlib.util.spec_from_file_location("feather_reference", Path(CHECKOUT) / "sparse_utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def doubles():
    """In float32 the two forms of one weight differ in their digits, and ten steps make anything of that."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def lower(magnitudes, share):
    """The threshold at the lower of the two neighbours between which the reference interpolates."""
    place = math.floor((len(magnitudes) - 1) * share)
    return np.partition(magnitudes.numpy(), place)[place].item()


def network():
    torch.manual_seed(5)
    model = zoo.build("vgg_small", 10, widths=[16, 16, 32, 32, 64, 64], hidden=32, channels=3).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def batches():
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        yield (
            torch.randn(16, 3, 16, 16, generator=generator),
            torch.randint(10, (16,), generator=generator),
        )


def step(model, optimizer, pixels, labels):
    optimizer.zero_grad()
    F.cross_entropy(model(pixels), labels).backward()


def update(model, optimizer):
    nn.utils.clip_grad_norm_(model.parameters(), 3)
    optimizer.step()


def theirs(reference, model, sparsity, rate):
    """The dense weights after STEPS steps of the reference, and the sparse ones in their place."""
    pruner = reference.Pruner(model, torch.device("cpu"), sparsity, BY_EPOCH, EPOCHS)
    decayed, others = reference.get_params(model)
    groups = [{"params": decayed, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, rate, momentum=0.9)
    for pixels, labels in batches():
        pruner.update_thresh()
        step(model, optimizer, pixels, labels)
        update(model, optimizer)
    pruner.update_thresh(end_of_batch=True)
    dense = [parameter.detach().clone() for parameter in model.parameters()]
    pruner.desparsify()
    return dense, model.state_dict()


def ours(model, sparsity, rate):
    sparse = feather.Feather(model, Fraction(str(sparsity)), FEATHER, STEPS, EPOCHS)
    hook, groups = sparse.hook(), optimisation.parameters(model, 5e-4)
    optimizer = torch.optim.SGD(groups, rate, momentum=0.9)
    for number, (pixels, labels) in enumerate(batches()):
        hook.before_step(number, STEPS)
        with hook.shown():
            step(model, optimizer, pixels, labels)
        hook.after_backward()
        update(model, optimizer)
    hook.columns()
    dense = [parameter.detach().clone() for parameter in model.parameters()]
    with hook.shown():
        return dense, copy.deepcopy(model.state_dict())


# The reference interpolates its threshold between two magnitudes, and ours is the lower of them. A weight just above is
# shown as the cube root of a difference, so that at the published rate both would be other networks after ten steps.
THRESHOLDS = {"lower neighbour": (lower, 0.1), "interpolated": (None, 1e-4)}


@beside_the_reference
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("sparsity", [0.9, 0.98])
def test_twenty_steps_end_in_the_weights_of_the_reference(reference, sparsity, threshold, monkeypatch):
    first, (other_threshold, rate) = network(), THRESHOLDS[threshold]
    if other_threshold:
        monkeypatch.setattr(reference, "calc_thresh", other_threshold)
    dense, state = ours(copy.deepcopy(first), sparsity, rate)
    their_dense, their_state = theirs(reference, copy.deepcopy(first), sparsity, rate)
    moved = max((tensor - start).abs().max() for tensor, start in zip(dense, first.parameters(), strict=True))
    assert moved > 3e-4
    for tensor, other in zip(dense, their_dense, strict=True):
        torch.testing.assert_close(tensor, other, rtol=0, atol=1e-5)
    assert state.keys() == their_state.keys()
    zeros = sum(int((state[name] == 0).sum()) for name in prunable(first))
    assert zeros == sum(int((their_state[name] == 0).sum()) for name in prunable(first))
    assert zeros == zeros_at(Fraction(str(sparsity)), sum(tensor.numel() for tensor in prunable(first).values()))


@beside_the_reference
@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("share", [0.3, 0.9, 0.98])
def test_the_interpolated_threshold_closes_the_same_weights(reference, share):
    weights = Weights(network())
    magnitudes, zeros = weights.magnitudes().clone(), zeros_at(Fraction(str(share)), weights.count)
    theirs, following = reference.calc_thresh(magnitudes, share), magnitudes.sort().values[zeros].item()
    weights.close(zeros)
    assert weights.threshold <= theirs < following
    assert torch.equal(magnitudes <= theirs, weights.closed)


@beside_the_reference
@pytest.mark.parametrize("start", [0, 1, 2])
def test_schedules_are_those_of_the_reference(reference, start):
    expected = reference.pruning_scheduler(0.9, BY_EPOCH, STEPS, start)
    np.testing.assert_allclose(levels(FEATHER | {"start": start}), expected, atol=1e-12)


def levels(options):
    """The sparsity of every step to 0.9, as a training asks for it."""
    ramp = schedules.Ramp(STEPS, EPOCHS, options)
    return [0.9 * float(ramps.cubic(ramp.at(number))) for number in range(STEPS)]


@beside_the_reference
def test_the_reference_takes_a_start_behind_the_end_of_the_ramp_and_ours_does_not(reference):
    assert len(reference.pruning_scheduler(0.9, 10, 100, 6)) == 110
    with pytest.raises(Refused, match="give start, ramp and deadline in this order"):
        schedules.Ramp(100, 10, FEATHER | {"start": 6})


@pytest.mark.parametrize("start", [0, 1, 2])
def test_every_step_has_its_level_from_nothing_to_the_whole(start):
    row, first, last = levels(FEATHER | {"start": start}), start * BY_EPOCH, STEPS // 2
    assert len(row) == STEPS and row == sorted(row)
    assert row[: first + 1] == [0] * (first + 1) and row[last:] == [0.9] * (STEPS - last)
    assert all(before < after for before, after in zip(row[first:last], row[first + 1 : last + 1], strict=True))


# {case: (arguments of a convolution of 4 to 8 channels, sides of a map of 9 x 9)}.
CONVOLUTIONS = {
    "dilated": ({"dilation": 2, "padding": 2}, 9),
    "dilated without padding": ({"dilation": (2, 3)}, None),
    "in groups": ({"groups": 4, "stride": 2, "padding": 1}, 5),
    "circular": ({"padding": 1, "padding_mode": "circular"}, 9),
    "reflected": ({"padding": 2, "padding_mode": "reflect", "stride": (2, 1)}, None),
    "all": ({"dilation": 2, "padding": 2, "padding_mode": "circular", "groups": 2, "stride": 2}, 5),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_a_layer_under_feather_is_the_convolution_with_the_shown_weights(case):
    arguments, side = CONVOLUTIONS[case]
    torch.manual_seed(2)
    layer, pixels = nn.Conv2d(4, 8, 3, **arguments), torch.randn(2, 4, 9, 9)
    weights = Weights(layer)
    weights.close(weights.count // 2)
    weight = shaped(layer.weight.detach(), weights.threshold)
    with weights.shown():
        outputs = layer(pixels)
    mode, padding = arguments.get("padding_mode", "zeros"), arguments.get("padding", 0)
    if mode != "zeros":
        pixels, padding = F.pad(pixels, [padding] * 4, mode), 0
    stride, dilation, groups = (arguments.get(name, 1) for name in ("stride", "dilation", "groups"))
    expected = F.conv2d(pixels, weight, layer.bias, stride, padding, dilation, groups)
    torch.testing.assert_close(outputs, expected)
    assert side is None or outputs.shape[2:] == (side, side)


@pytest.mark.parametrize("values", ["distinct", "in ties", "alike"])
@pytest.mark.parametrize("share", ["0.01", "0.5", "0.98"])
def test_the_threshold_is_that_of_a_sort_without_one(values, share, monkeypatch):
    generator = np.random.default_rng(3)
    row = np.abs(generator.normal(size=100_000)).astype(np.float32)
    if values != "distinct":
        row = np.round(row, 2) if values == "in ties" else np.full_like(row, 0.25)
    count = zeros_at(Fraction(share), len(row))
    order = np.argsort(row, kind="stable")

    def sorting(*_, **__):
        raise AssertionError("a full sort")

    for name in ("sort", "argsort", "msort", "topk"):
        monkeypatch.setattr(torch, name, sorting)
        if hasattr(torch.Tensor, name):
            monkeypatch.setattr(torch.Tensor, name, sorting)
    for name in ("sort", "argsort"):
        monkeypatch.setattr(np, name, sorting)
    chosen = torch.zeros(len(row), dtype=torch.bool)
    threshold = smallest(lambda: torch.from_numpy(row.copy()), chosen, count)
    assert set(np.flatnonzero(chosen.numpy())) == set(order[:count].tolist())
    largest = row[order[count - 1]]
    cut = row[order[count]] == largest
    assert threshold == (np.nextafter(largest, np.float32(-np.inf)) if cut else largest)
