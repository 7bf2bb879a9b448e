"""Descriptors and the scorer that reads them: what leaves the scores as they are, and what does not."""

import copy
import math

import pytest
import torch
from torch import nn

from secateur import Refused
from secateur.models import zoo
from secateur.selection import descriptors, pruning_models, scoring_network
from secateur.selection.output_analyser import layers_of
from secateur.units import finding
from support.networks import stirred

CLASSES = 10


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return stirred(zoo.build("resnet20", CLASSES)).eval()


@pytest.fixture(scope="module")
def batches():
    generator = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(16, 3, 16, 16, generator=generator, dtype=torch.float64),
            torch.randint(CLASSES, (16,), generator=generator),
        )
        for _ in range(2)
    ]


def units_of(model):
    return finding.find(model, torch.zeros(1, 3, 16, 16), "inner")


def column(name):
    return descriptors.NAMES.index(name)


def with_gradients(network, batches):
    """A copy of a network with the mean gradient over batches, each with BatchNorm's statistics of its own."""
    copied = copy.deepcopy(network).train()
    for pixels, labels in batches:
        (nn.functional.cross_entropy(copied(pixels), labels) / len(batches)).backward()
    return copied


def layer_of(network, batches):
    """{column: (32,) values before they are standardised} of layer2.1.conv1, by plain tensors."""
    conv, norm = network.layer2[1].conv1, network.layer2[1].bn1
    weight = conv.weight.detach().double().flatten(1)
    block = with_gradients(network, batches).layer2[1]
    gradient = block.conv1.weight.grad.double().flatten(1)
    products = weight * gradient
    by_norm = torch.stack([norm.weight * block.bn1.weight.grad, norm.bias * block.bn1.bias.grad]).detach().double()
    away = (weight[:, None] - weight[None]).square().sum(2).sqrt()
    return {
        "mean_abs": weight.abs().mean(1).log(),
        "rms": weight.square().mean(1).sqrt().log(),
        "max_abs": weight.abs().amax(1).log(),
        "gradient_rms": gradient.square().mean(1).sqrt().log(),
        "abs_products": products.abs().sum(1).log(),
        "sum_products": (products.sum(1).abs() + 0.01 * products.abs().sum(1)).log(),
        "norm_taylor": (by_norm.sum(0).abs() + 0.01 * by_norm.abs().sum(0)).log(),
        "norm_weight": norm.weight.detach().double(),
        "norm_bias": norm.bias.detach().double(),
        "next": network.layer2[1].conv2.weight.detach().double().abs().mean((0, 2, 3)).log(),
        "distance": (away.sum(1) / 31).log(),
    }


def test_columns_are_those_of_plain_tensors(network, batches):
    units = units_of(network)
    table = descriptors.of(network, units, batches)
    ids = [place for place, unit in enumerate(units.units) if unit.channels[0][0] == "layer2.1.conv1"]
    expected = layer_of(network, batches)
    assert (*expected, *descriptors.OF_LAYER) == descriptors.NAMES
    for name, values in expected.items():
        wanted = (values - values.mean()) / values.std(correction=0)
        torch.testing.assert_close(table[ids, column(name)].double(), wanted, rtol=1e-4, atol=1e-4, msg=name)
    # The fifth of nine layers, of 32 units with 32 x 9 weights each.
    place = torch.tensor([4 / 8, math.log(32) / 5, math.log(288) / 5])
    torch.testing.assert_close(table[ids][:, -3:], place.expand(32, 3))


def test_the_network_is_left_as_it_is(network, batches):
    before = copy.deepcopy(network.state_dict())
    descriptors.of(network, units_of(network), batches)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training and all(parameter.grad is None for parameter in network.parameters())


def test_permuted_channels_have_permuted_descriptors(network, batches):
    permuted = copy.deepcopy(network)
    block, order = permuted.layer1[0], torch.randperm(16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        block.conv1.weight.copy_(block.conv1.weight[order])
    # Filters alone, without their BatchNorm and what reads them, are other units.
    torn = descriptors.of(permuted, units_of(permuted), batches)
    with torch.no_grad():
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(block.bn1, name).copy_(getattr(block.bn1, name)[order])
        block.conv2.weight.copy_(block.conv2.weight[:, order])
    first = descriptors.of(network, units_of(network), batches)
    second = descriptors.of(permuted, units_of(permuted), batches)
    torch.testing.assert_close(second[:16], first[:16][order], rtol=1e-3, atol=1e-3)
    assert (first[:16][order] - first[:16]).abs().amax(0)[: -len(descriptors.OF_LAYER)].min() > 0.5
    assert not torch.allclose(torn[:16], first[:16][order], rtol=0, atol=0.5)
    torch.testing.assert_close(second[16:], first[16:], rtol=1e-3, atol=1e-3)


def plans_of(table, units, scorers=3):
    """(scorers, units) bool: the halves of all layers that scorers, as they are drawn, remove."""
    removed = torch.zeros(scorers, len(units.units), dtype=torch.bool)
    for place in range(scorers):
        torch.manual_seed(place)
        with torch.no_grad():
            scores = scoring_network.scores(scoring_network.scorer(), table)
        for ids in map(torch.tensor, layers_of(units).values()):
            removed[place, ids[scores[ids].argsort(stable=True)[: len(ids) // 2]]] = True
    return removed


def test_scaled_weights_before_batchnorm_change_no_plan(network, batches):
    """Without BatchNorm's epsilon, with the statistics of batches; the negative control scales single channels."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-20
    first = descriptors.of(network, units_of(network), batches)
    plans = plans_of(first, units_of(network))
    convolutions = [block.conv1 for stage in (network.layer1, network.layer2, network.layer3) for block in stage]
    for spread, equal in ((0.0, True), (1.0, False)):
        scaled = copy.deepcopy(network)
        layers = [scaled.get_submodule(name) for name, module in network.named_modules() if module in convolutions]
        with torch.no_grad():
            for layer in layers:
                by_channel = torch.exp(spread * torch.linspace(-1, 1, len(layer.weight)))
                layer.weight.mul_(3.0 * by_channel[:, None, None, None])
        second = descriptors.of(scaled, units_of(scaled), batches)
        assert torch.allclose(first, second, rtol=0, atol=1e-3) == equal
        assert ((plans_of(second, units_of(scaled)) != plans).float().mean() < 0.003) == equal


def test_no_descriptor_is_rounding_alone(network, batches, monkeypatch):
    """In float32 as in float64, but for single activations that cross zero; without the share of magnitudes it is."""
    single = copy.deepcopy(network).float()
    for share, alike in ((descriptors.ROUNDED, True), (0, False)):
        monkeypatch.setattr(descriptors, "ROUNDED", share)
        exact = descriptors.of(network, units_of(network), batches)
        rounded = descriptors.of(single, units_of(single), [(pixels.float(), labels) for pixels, labels in batches])
        assert ((rounded - exact).square().mean(0).sqrt() < 0.1).all() == alike


def test_a_depthwise_layer_has_a_batchnorm_of_its_own():
    torch.manual_seed(0)
    model = stirred(zoo.build("mobilenet_v1", CLASSES)).eval()
    units = finding.find(model, torch.zeros(1, 3, 32, 32), "inner")
    (first, *_), second = units.units[0].channels, units.units[0].channels[1]
    assert {first[0], second[0]} <= {*units.coupled.outputs}
    before = descriptors.of(model, units)
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    for name in norms[:2]:
        changed = copy.deepcopy(model)
        with torch.no_grad():
            bias = changed.get_submodule(name).bias
            bias.copy_(bias.flip(0))
        after = descriptors.of(changed, units_on(changed))
        assert not torch.allclose(before[: len(bias), column("norm_bias")], after[: len(bias), column("norm_bias")])


def units_on(model):
    return finding.find(model, torch.zeros(1, 3, 32, 32), "inner")


def test_equal_descriptors_are_zero_at_every_width():
    for width in (12, 16, 43, 48, 96, 100):
        for value in (0.1, 0.7, 27.631021115928547):
            row = torch.full((1, width), value, dtype=torch.float64)
            assert not pruning_models.standardised(row).any()
            assert not pruning_models.standardised(row.float()).any()


def test_without_gradients_their_columns_are_zero(network):
    table = descriptors.of(network, units_of(network))
    places = [column(name) for name in descriptors.OF_GRADIENTS]
    assert (table[:, places] == 0).all() and torch.isfinite(table).all()


def filters(network, batches):
    """{column: {layer: (channels,) a criterion by plain tensors}} of what one descriptor is enough for."""
    copied = with_gradients(network, batches)
    found = {"mean_abs": {}, "rms": {}, "distance": {}, "abs_products": {}, "norm_weight": {}}
    for name, module in copied.named_modules():
        if name.startswith("layer") and name.endswith("conv1"):
            weight = module.weight.detach().flatten(1)
            found["mean_abs"][name] = weight.abs().sum(1)
            found["rms"][name] = weight.norm(dim=1)
            found["distance"][name] = torch.cdist(weight, weight).sum(1)
            found["abs_products"][name] = (weight * module.weight.grad.flatten(1)).abs().sum(1)
            found["norm_weight"][name] = copied.get_submodule(name.replace("conv", "bn")).weight.detach()
    return found


@pytest.mark.parametrize("name", ["mean_abs", "rms", "distance", "abs_products", "norm_weight"])
def test_a_linear_scorer_of_one_descriptor_ranks_each_layer_as_that_criterion(network, batches, name):
    """L1, L2, FPGM, SNIP and BatchNorm's weight; a scorer of another descriptor ranks no layer so."""
    units = units_of(network)
    table = descriptors.of(network, units, batches)
    wanted = filters(network, batches)[name]
    for read, alike in ((name, True), ("norm_bias", False)):
        scorer = nn.Linear(len(descriptors.NAMES), 1, bias=False)
        with torch.no_grad():
            scorer.weight.zero_()[0, column(read)] = 1
            scores = scoring_network.scores(scorer, table)
        for layer, ids in layers_of(units).items():
            order = scores[torch.as_tensor(ids)].argsort(stable=True)
            assert torch.equal(order, wanted[layer].argsort(stable=True)) == alike, layer


def test_a_scorer_moves_to_another_network_and_no_other_list_of_descriptors(tmp_path, network):
    torch.manual_seed(0)
    scorer = scoring_network.scorer()
    assert sum(parameter.numel() for parameter in scorer.parameters()) == 1569
    facts = scoring_network.Facts(True, "global")
    torch.save(scoring_network.state_of(scorer, facts), tmp_path / "scorer.pt")
    state = torch.load(tmp_path / "scorer.pt", weights_only=True)
    moved, known = scoring_network.from_state(state, "scorer.pt")
    assert known == facts
    for model in (network, zoo.build("mobilenet_v1", 100)):
        table = descriptors.of(model, finding.find(model, torch.zeros(1, 3, 32, 32)))
        assert torch.equal(moved(table), scorer(table)) and torch.isfinite(moved(table)).all()
    state["descriptors"] = state["descriptors"][:-1]
    with pytest.raises(Refused, match=r"^scorer.pt is no scorer that reads the descriptors mean_abs, .* fit it again"):
        scoring_network.from_state(state, "scorer.pt")
