"""Relevance against TorchLRP's own output, against zennit run here, and against its laws."""

from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies
from torch import nn

from conftest import small_vgg
from secateur import relevance

ORACLE = Path(__file__).parent / "data" / "oracle_torchlrp.npz"
PLACES = {"conv1": "output", "conv2": "output", "conv3": "output"}


def oracle_network(oracle):
    """The network of the oracle file; see tests/data/README.md."""
    model = nn.Sequential()
    model.conv1, model.relu1 = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()
    model.conv2, model.relu2, model.pool2 = nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    model.conv3, model.relu3, model.pool3 = nn.Conv2d(8, 10, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    model.flatten, model.fc1, model.relu4, model.fc2 = (
        nn.Flatten(),
        nn.Linear(160, 12),
        nn.ReLU(),
        nn.Linear(12, 5),
    )
    model.double().load_state_dict({key: torch.from_numpy(oracle[key]) for key in model.state_dict()})
    return model.eval()


@pytest.fixture(scope="module")
def oracle():
    return np.load(ORACLE)


@pytest.mark.parametrize("rule", ["alpha2beta1", "alpha1beta0"])
def test_relevance_at_the_output_equals_torchlrp(oracle, rule):
    found = relevance.propagate(oracle_network(oracle), torch.from_numpy(oracle["x"]), rule=rule)
    for layer in ("conv1", "conv2", "conv3"):
        np.testing.assert_allclose(found[layer], oracle[f"{rule}/{layer}/out"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["alpha2beta1", "alpha1beta0"])
def test_relevance_at_the_next_input_equals_torchlrp(oracle, rule):
    found = relevance.propagate(oracle_network(oracle), torch.from_numpy(oracle["x"]), rule=rule, at="next_input")
    for layer, reader in (("conv1", "conv2"), ("conv2", "conv3")):
        np.testing.assert_allclose(found[layer], oracle[f"{rule}/{reader}/in"], rtol=1e-9, atol=1e-12)
    flat = oracle[f"{rule}/fc1/in"].reshape(8, 10, 16).sum(2)[:, :, None, None]
    np.testing.assert_allclose(found["conv3"], flat, rtol=1e-9, atol=1e-12)


def test_the_predicted_class_is_explained_unless_one_is_given(oracle):
    model, images = oracle_network(oracle), torch.from_numpy(oracle["x"])
    predicted = relevance.propagate(model, images)
    given = relevance.propagate(model, images, target=torch.from_numpy(oracle["argmax"]))
    another = relevance.propagate(model, images, target=(torch.from_numpy(oracle["argmax"]) + 1) % 5)
    assert all(torch.equal(predicted[layer], given[layer]) for layer in predicted)
    assert not torch.allclose(predicted["conv1"], another["conv1"])


def zennit_relevance(model, images, rule=None, composite=None, **options):
    """Relevance at every convolution's output by zennit, seeded with 1 on the predicted class."""
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.types import Linear

    found = {}
    composite = composite or LayerMapComposite([*layer_map_base(), (Linear, rule(**options))])
    with composite.context(model) as context:

        def keep(name):
            def hook(module, inputs, output):
                output.retain_grad()
                found[name] = output

            return hook

        hooks = [m.register_forward_hook(keep(n)) for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
        images = images.clone().requires_grad_()
        logits = context(images)
        logits.backward(torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1.0))
        for hook in hooks:
            hook.remove()
    return {name: output.grad.detach() for name, output in found.items()}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rule", ["alpha2beta1", "alpha1beta0", "epsilon"])
def test_relevance_equals_zennit(rule, bias, pictures):
    from zennit.rules import AlphaBeta, Epsilon

    model = small_vgg(norm=False)
    options = {"zero_params": None if bias else "bias"}
    if rule == "epsilon":
        wanted = zennit_relevance(model, pictures, Epsilon, epsilon=relevance.EPSILON, **options)
    else:
        alpha, beta = (2, 1) if rule == "alpha2beta1" else (1, 0)
        wanted = zennit_relevance(model, pictures, AlphaBeta, alpha=alpha, beta=beta, stabilizer=1e-14, **options)
    found = relevance.propagate(model, pictures, rule=rule, bias=bias)
    for layer, R in wanted.items():
        scale = R.abs().max()
        torch.testing.assert_close(found[layer] / scale, R / scale, rtol=1e-7, atol=1e-9)


def test_batchnorm_is_folded_and_the_model_is_left_alone(network, pictures):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    relevance.propagate(network, pictures)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(seed=strategies.integers(0, 10**6), rule=strategies.sampled_from(["alpha2beta1", "alpha1beta0"]))
def test_relevance_is_conserved_where_no_denominator_vanishes(seed, rule):
    model = small_vgg(seed, norm=False)
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    propagator = relevance.Propagator(model, rule=rule)
    values = propagator._forward(images)
    logits = values[propagator.nodes[-1]]
    outputs, inputs = propagator._backward(values, torch.zeros_like(logits).scatter_(1, logits.argmax(1)[:, None], 1.0))
    alpha, beta = (2, 1) if rule == "alpha2beta1" else (1, 0)
    for node in propagator.nodes:
        if node.target in inputs:
            linear = relevance._Linear(propagator.modules[node.target])
            x, R = values[node.all_input_nodes[0]], outputs[node.target]
            above, below = linear.weight.clamp(min=0), linear.weight.clamp(max=0)
            share = alpha * (linear.forward(x, above) != 0) - beta * (linear.forward(x, below) != 0)
            torch.testing.assert_close(
                inputs[node.target].flatten(1).sum(1), (R * share).flatten(1).sum(1), rtol=1e-6, atol=1e-9
            )


def test_a_black_image_and_a_dead_channel_give_finite_numbers(pictures):
    model = small_vgg(norm=False)
    with torch.no_grad():
        model.features[0].weight[2] = 0
        model.features[0].bias[2] = 0
    pictures[0] = 0
    for rule in relevance.RULES:
        assert all(R.isfinite().all() for R in relevance.propagate(model, pictures, rule=rule).values())


def average_pooled(target):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), target, nn.Flatten(), nn.Linear(16, 3))
    return model.double().eval()


@pytest.mark.parametrize("pool", [nn.AvgPool2d(4), nn.AdaptiveAvgPool2d(2)])
def test_average_pools_share_in_proportion(pool, pictures):
    torch.manual_seed(0)
    model = average_pooled(pool)
    found = relevance.propagate(model, pictures)["0"]
    read = relevance.propagate(model, pictures, at="next_input")["0"]
    torch.testing.assert_close(found.sum((2, 3)), read.sum((2, 3)))
    activation = model[1](model[0](pictures))
    assert (found[activation == 0] == 0).all()


@pytest.mark.parametrize("pool", [nn.AvgPool2d(4), nn.AdaptiveAvgPool2d(2)])
def test_the_gradient_of_pools_and_activations_is_that_of_a_composite_without_rules_for_them(pool, pictures):
    from zennit.composites import LayerMapComposite
    from zennit.rules import AlphaBeta
    from zennit.types import Linear

    torch.manual_seed(0)
    model = average_pooled(pool)
    rule = AlphaBeta(alpha=2, beta=1, stabilizer=1e-14, zero_params="bias")
    wanted = zennit_relevance(model, pictures, composite=LayerMapComposite([(Linear, rule)]))["0"]
    found = relevance.propagate(model, pictures, pool="gradient")["0"]
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-9)


def test_a_layer_without_a_rule_is_named(pictures):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 2)).double()
    with pytest.raises(ValueError, match="the channels of layer 0 reach 1"):
        relevance.propagate(model, pictures)


def test_an_unknown_rule_is_refused_with_the_known_ones(network, pictures):
    message = "^rule must be one of alpha2beta1, alpha1beta0, epsilon, got 'alpha3beta2'$"
    with pytest.raises(ValueError, match=message):
        relevance.propagate(network, pictures, rule="alpha3beta2")
