"""Relevance against TorchLRP's own output, against zennit run here, and against its laws."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies
from torch import nn

from secateur.graph import folding
from secateur.relevance import linear_maps, propagation, rules
from secateur.study import biases
from support.networks import small_vgg
from support.torchlrp import ORACLE, oracle_network

PLACES = {"conv1": "output", "conv2": "output", "conv3": "output"}


@pytest.fixture(scope="module")
def oracle():
    return np.load(ORACLE)


@pytest.mark.parametrize("rule", ["alpha2beta1", "alpha1beta0"])
def test_relevance_at_the_output_equals_torchlrp(oracle, rule):
    found = propagation.propagate(oracle_network(oracle), torch.from_numpy(oracle["x"]), rule=rule)
    for layer in ("conv1", "conv2", "conv3"):
        np.testing.assert_allclose(found[layer], oracle[f"{rule}/{layer}/out"], rtol=1e-9, atol=1e-12)


def test_nothing_is_pulled_back_through_the_first_layer():
    linear = linear_maps.Map(torch.nn.Conv2d(1, 1, 1))
    forward, backward = rules.forward_only()(linear, bias=False, signed=True)
    x = torch.ones(1, 1, 2, 2)
    z, kept = forward(x)
    with pytest.raises(AssertionError, match="relevance ends"):
        backward(kept, x, z, z)


@pytest.mark.parametrize("rule", ["alpha2beta1", "alpha1beta0"])
def test_relevance_at_the_next_input_equals_torchlrp(oracle, rule):
    found = propagation.propagate(oracle_network(oracle), torch.from_numpy(oracle["x"]), rule=rule, at="next_input")
    for layer, reader in (("conv1", "conv2"), ("conv2", "conv3")):
        np.testing.assert_allclose(found[layer], oracle[f"{rule}/{reader}/in"], rtol=1e-9, atol=1e-12)
    flat = oracle[f"{rule}/fc1/in"].reshape(8, 10, 16).sum(2)[:, :, None, None]
    np.testing.assert_allclose(found["conv3"], flat, rtol=1e-9, atol=1e-12)


def test_the_predicted_class_is_explained_unless_one_is_given(oracle):
    model, images = oracle_network(oracle), torch.from_numpy(oracle["x"])
    predicted = propagation.propagate(model, images)
    given = propagation.propagate(model, images, target=torch.from_numpy(oracle["argmax"]))
    another = propagation.propagate(model, images, target=(torch.from_numpy(oracle["argmax"]) + 1) % 5)
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
        wanted = zennit_relevance(model, pictures, Epsilon, epsilon=rules.EPSILON, **options)
    else:
        alpha, beta = (2, 1) if rule == "alpha2beta1" else (1, 0)
        wanted = zennit_relevance(model, pictures, AlphaBeta, alpha=alpha, beta=beta, stabilizer=1e-14, **options)
    found = propagation.propagate(model, pictures, rule=rule, bias=bias)
    for layer, R in wanted.items():
        scale = R.abs().max()
        torch.testing.assert_close(found[layer] / scale, R / scale, rtol=1e-7, atol=1e-9)


def test_batchnorm_is_folded_and_the_model_is_left_alone(network, pictures):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    propagation.propagate(network, pictures)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(seed=strategies.integers(0, 10**6), rule=strategies.sampled_from(["alpha2beta1", "alpha1beta0"]))
def test_relevance_is_conserved_where_no_denominator_vanishes(seed, rule):
    model = small_vgg(seed, norm=False)
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    propagator = propagation.Propagator(model, rule=rule)
    with torch.no_grad():
        forward = propagator.forward(images)
        logits = forward.values[propagator.graph.nodes[-1]]
        seed = torch.zeros_like(logits).scatter_(1, logits.argmax(1)[:, None], 1.0)
        backward = propagator.backward(forward, seed)
    alpha, beta = (2, 1) if rule == "alpha2beta1" else (1, 0)
    for node in propagator.graph.nodes:
        if node in backward.inputs:
            linear = linear_maps.Map(propagator.graph.modules[node.target])
            x, R = forward.values[node.all_input_nodes[0]], backward.outputs[node]
            above, below = linear.weight.clamp(min=0), linear.weight.clamp(max=0)
            share = alpha * (linear.forward(above)(x) != 0) - beta * (linear.forward(below)(x) != 0)
            torch.testing.assert_close(
                backward.inputs[node].flatten(1).sum(1), (R * share).flatten(1).sum(1), rtol=1e-6, atol=1e-9
            )


def test_a_black_image_and_a_dead_channel_give_finite_numbers(pictures):
    model = small_vgg(norm=False)
    with torch.no_grad():
        model.features[0].weight[2] = 0
        model.features[0].bias[2] = 0
    pictures[0] = 0
    for rule in ("alpha2beta1", "alpha1beta0", "epsilon", "gamma", "flat"):
        assert all(R.isfinite().all() for R in propagation.propagate(model, pictures, rule=rule).values())


def average_pooled(target):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), target, nn.Flatten(), nn.Linear(16, 3))
    return model.double().eval()


@pytest.mark.parametrize("pool", [nn.AvgPool2d(4), nn.AdaptiveAvgPool2d(2)])
def test_average_pools_share_in_proportion(pool, pictures):
    torch.manual_seed(0)
    model = average_pooled(pool)
    found = propagation.propagate(model, pictures)["0"]
    read = propagation.propagate(model, pictures, at="next_input")["0"]
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
    found = propagation.propagate(model, pictures, pool="gradient")["0"]
    torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-9)


def test_a_layer_without_a_rule_is_named(pictures):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax(1), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(ValueError, match=r"^no relevance rule for the layer _1 \(Softmax\); the rules gradient"):
        propagation.propagate(model.double().eval(), pictures)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("alpha3beta1", "alpha - beta must be 1 and beta at least 0, got alpha 3.0 and beta 1.0"),
        ("lrp", "unknown rule 'lrp'; known: alpha2beta1, alpha1beta0"),
        ({0.5: "zplus"}, "bands of depth must reach 1, the last layer"),
    ],
)
def test_an_unknown_rule_is_refused_with_the_known_ones(network, pictures, rule, message):
    with pytest.raises(ValueError, match=message):
        propagation.propagate(network, pictures, rule=rule)


def test_what_cannot_be_explained_is_refused_by_name(network, pictures):
    with pytest.raises(ValueError, match="the model is in train mode"):
        propagation.propagate(network.train(), pictures)
    network.eval()
    with pytest.raises(ValueError, match="the layer features.0 reads 3 channels, but was given 1"):
        propagation.propagate(network, pictures[:, :1])
    with pytest.raises(ValueError, match=r"images must be floats \(N, C, H, W\).*got torch.uint8"):
        propagation.propagate(network, torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="targets go from 7 to 7, but the model has 5 classes"):
        propagation.propagate(network, pictures, target=7)
    with pytest.raises(ValueError, match=r"classifier.0 reads 40 values of an image, but was given 160: .* as large"):
        propagation.propagate(network, torch.zeros(1, 3, 16, 16, dtype=torch.float64))
    with pytest.raises(ValueError, match="classifier.0 reads 40 values of an image, but was given 10: are the images"):
        propagation.propagate(network, pictures[:, :, ::2, ::2])
    with pytest.raises(ValueError, match=r"features.\d+ cannot take images of shape \(3, 2, 2\): .*; are these"):
        propagation.propagate(network, pictures[:, :, :2, :2])
    pictures[3, 1, 2, 2] = float("inf")
    with pytest.raises(ValueError, match="1 of 8 images of the batch hold NaN or infinity, first image 3; leave"):
        propagation.propagate(network, pictures)


@pytest.mark.parametrize("name", ["classifier.0.weight", "features.1.running_var"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_weights_that_are_not_finite_are_named(network, pictures, name, value):
    network.state_dict()[name].view(-1)[:2] = float(value)
    with pytest.raises(ValueError, match=f"the weights {name} hold 2 values that are NaN or infinite, so .* take an"):
        propagation.propagate(network, pictures)


class Branching(nn.Module):
    """Its forward asks a value."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        if x.mean() > 0:
            x = x * 2
        return self.head(x.mean((2, 3)))


def test_the_line_that_stops_a_trace_is_named(pictures):
    with pytest.raises(ValueError, match=r"Branching: .*test_propagation.py:\d+ \(if x.mean\(\) > 0:\): ") as e:
        propagation.propagate(Branching().double().eval(), pictures)
    assert "torch.fx.wrap" in str(e.value) and "\n" not in str(e.value)


def test_a_pool_that_copied_a_small_map_averages_a_larger_one_afterwards():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    propagator, small, large = propagation.Propagator(model.double().eval()), *(torch.randn(2, 3, n, n) for n in (2, 8))
    propagator(small.double())
    found, wanted = propagator(large.double())[0], propagation.propagate(model, large.double())
    assert torch.equal(found["0"], wanted["0"])


# ---- networks of other shapes --------------------------------------------------------------------------------


class Chain(nn.Module):
    """Stride, dilation, groups, depthwise, padding modes, `same`, leaky activations (signed inputs) in a row."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU()),
            *(nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2), nn.LeakyReLU(0.3)),
            *(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU6()),
            *(nn.Conv2d(8, 12, 1), nn.ELU()),
            *(nn.Conv2d(12, 8, (3, 2), stride=(2, 1), padding="valid"), nn.SiLU()),
            *(nn.Conv2d(8, 16, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
            *(nn.Conv2d(16, 16, 4, padding="same"), nn.ReLU()),
            *(nn.MaxPool2d(2, ceil_mode=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)),
        )

    def forward(self, x):
        return self.body(x)


class Residual(nn.Module):
    """A stem, a block with a projection, a block with a padding shortcut (option A), a mean."""

    def __init__(self):
        from zennit.layer import Sum

        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.a = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6))
        self.b = nn.Sequential(nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
        self.project = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6))
        self.c = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8))
        # zennit cannot follow a module that is used twice; ours can, which the dense network below shows.
        self.sums, self.relus = nn.ModuleList([Sum(), Sum()]), nn.ModuleList([nn.ReLU(), nn.ReLU()])
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        x = self.relus[0](self.sums[0](torch.stack([self.b(self.a(x)), self.project(x)], dim=-1)))
        short = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
        x = self.relus[1](self.sums[1](torch.stack([self.c(x), short], dim=-1)))
        return self.head(torch.flatten(self.pool(x), 1))


class Dense(nn.Module):
    """Concatenations, BatchNorm before the activation and the convolution, an average pool between."""

    def __init__(self):
        super().__init__()
        self.stem, self.pool, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(2), nn.Linear(12, 5)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(8), nn.BatchNorm2d(12)])
        self.layers = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1)])
        self.last, self.relu = nn.AdaptiveAvgPool2d(1), nn.ReLU()

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x, self.layers[0](self.relu(self.norms[0](x)))], 1)
        x = self.pool(torch.cat([x, self.layers[1](self.relu(self.norms[1](x)))], 1))
        return self.head(torch.flatten(self.last(self.relu(self.norms[2](x))), 1))


def made(kind, seed=0):
    torch.manual_seed(seed)
    model = kind().double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return model


SHAPES = [Chain, Residual, Dense]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rule", ["zplus", "alpha2beta1", "alpha3beta2", "epsilon=0.01", "gamma=0.25"])
def test_networks_of_any_shape_equal_zennit(kind, rule, bias):
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.rules import AlphaBeta, Epsilon, Gamma, ZPlus
    from zennit.types import Linear

    small = {"stabilizer": 1e-30, "zero_params": None if bias else "bias"}
    zennit_rule = {
        "zplus": lambda: ZPlus(**small),
        "alpha2beta1": lambda: AlphaBeta(2, 1, **small),
        "alpha3beta2": lambda: AlphaBeta(3, 2, **small),
        "epsilon=0.01": lambda: Epsilon(0.01, zero_params=small["zero_params"]),
        "gamma=0.25": lambda: Gamma(0.25, **small),
    }[rule]()
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    model = folding.folded(made(kind), strict=False)
    composite = LayerMapComposite([*layer_map_base(stabilizer=1e-30), (Linear, zennit_rule)])
    wanted = zennit_relevance(model, images, composite=composite)
    found = propagation.propagate(made(kind), images, rule=rule, bias=bias)
    assert (
        list(found) == [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
        or kind is not Chain
    )
    for layer, R in wanted.items():
        scale = R.abs().max()
        assert scale > 0
        torch.testing.assert_close(
            found[layer] / scale, R / scale, rtol=1e-9, atol=1e-9, msg=lambda m, n=layer: f"{n}: {m}"
        )


@pytest.mark.parametrize("kind", SHAPES)
def test_the_gradient_is_autograds_and_gradient_x_input_multiplies_it(kind):
    model, images = made(kind), torch.randn(3, 3, 16, 16, dtype=torch.float64)
    values, plain = {}, folding.folded(model, strict=False)

    def keep(name):
        def hook(module, inputs, output):
            output.retain_grad()
            values[name] = output

        return hook

    convolutions = [(n, m) for n, m in plain.named_modules() if isinstance(m, nn.Conv2d)]
    hooks = [module.register_forward_hook(keep(name)) for name, module in convolutions]
    leaf = images.clone().requires_grad_()
    plain(leaf).max(1).values.sum().backward()
    for hook in hooks:
        hook.remove()
    gradient = propagation.propagate(model, images, rule="gradient", pixels=True)
    product = propagation.propagate(model, images, rule="gradient_x_input", pixels=True)
    torch.testing.assert_close(gradient.pop(""), leaf.grad)
    torch.testing.assert_close(product.pop(""), leaf.grad * images)
    for layer, value in values.items():
        torch.testing.assert_close(gradient[layer], value.grad)
        torch.testing.assert_close(product[layer], value.grad * value.detach())


@pytest.mark.parametrize("rule", ["flat", "zbox=-3,3"])
def test_rules_of_the_first_layer_equal_zennit_at_the_pixels(rule, pictures):
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.rules import Flat, ZBox, ZPlus
    from zennit.types import Linear

    class First(LayerMapComposite):
        """zennit's own first-layer logic, written out."""

        def __init__(self, rule):
            super().__init__([*layer_map_base(stabilizer=1e-30), (Linear, ZPlus(stabilizer=1e-14, zero_params="bias"))])
            self.first, inner = rule, self.module_map

            def mapping(context, name, module):
                if isinstance(module, nn.Conv2d) and "seen" not in context:
                    context["seen"] = True
                    return self.first
                return inner(context, name, module)

            self.module_map = mapping

    pictures, model = pictures.clamp(-3, 3), small_vgg(norm=False)
    first = Flat(stabilizer=1e-14) if rule == "flat" else ZBox(-3.0, 3.0, stabilizer=1e-14, zero_params="bias")
    leaf = pictures.clone().requires_grad_()
    with First(first).context(model) as context:
        logits = context(leaf)
        logits.backward(torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1.0))
    bands = {1 / 5: rule, 1: "zplus"}
    found = propagation.propagate(model, pictures, rule=bands, pixels=True)[""]
    torch.testing.assert_close(found, leaf.grad, rtol=1e-7, atol=1e-9)


def test_composites_name_a_rule_for_every_layer(network):
    rules_of = propagation.Propagator(network, rule="epsilon_alpha2_beta1_flat").rule_of
    assert list(rules_of.values()) == ["flat", "alpha2beta1", "alpha2beta1", "epsilon", "epsilon"]
    bands = propagation.Propagator(network, rule={0.4: "alpha1beta0", 1: "epsilon=0.1"}).rule_of
    assert list(bands.values()) == ["alpha1beta0", "alpha1beta0", "epsilon=0.1", "epsilon=0.1", "epsilon=0.1"]


def test_all_classes_at_once_are_each_class_alone(network, pictures):
    together = propagation.propagate(network, pictures, target="all")
    for target in range(5):
        alone = propagation.propagate(network, pictures, target=target)
        assert all(torch.equal(together[layer][target], alone[layer]) for layer in alone)


def test_the_logit_as_the_start_scales_relevance(network, pictures):
    one, scaled = (propagation.propagate(network, pictures, start=seed) for seed in ("one", "logit"))
    logits = network(pictures).max(1).values.detach()[:, None, None, None]
    for layer in one:
        torch.testing.assert_close(scaled[layer], one[layer] * logits)


def test_a_pool_that_copies_a_map_of_1x1_equals_the_wide_layer():
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.rules import AlphaBeta
    from zennit.types import Linear

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 9), nn.ReLU(), nn.Linear(9, 4),
    ).double().eval()  # fmt: skip
    wide = nn.Sequential(*model[:4], nn.Upsample(scale_factor=3), *model[5:]).eval()
    images = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    found = propagation.propagate(model, images)
    propagator = propagation.Propagator(model)
    propagator(images)
    assert 9 in {copies for _, copies, _ in propagator.prepared}
    torch.testing.assert_close(wide(images), model(images))
    rule = AlphaBeta(2, 1, stabilizer=1e-14, zero_params="bias")
    composite = LayerMapComposite([*layer_map_base(stabilizer=1e-30), (Linear, rule)])
    wanted = zennit_relevance(model, images, composite=composite)
    for layer in found:
        torch.testing.assert_close(found[layer], wanted[layer], rtol=1e-7, atol=1e-9)


# ---- what is conserved ---------------------------------------------------------------------------------------


def half_dead(weight=0.0):
    """A chain whose hidden unit 1 lives by its bias alone, and has half of the relevance of either class."""
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2, 2)
    )  # fmt: skip
    with torch.no_grad():
        for layer in (0, 2, 5):
            model[layer].weight.fill_(1)
            model[layer].bias.fill_(0)
        model[2].weight[1], model[2].bias[1] = weight, 2 - 2 * weight
    return model.double().eval()


@pytest.mark.parametrize(("rule", "weight", "left"), [
    ("alpha1beta0", 0.0, [0.5, 1]), ("alpha1beta0", 0.5, [1, 1]),
    # Every unit here has contributions of one sign: alpha times what arrives, or less beta times, at each step.
    ("alpha2beta1", 0.0, [2 * 0.5 * 2, 2]), ("alpha2beta1", -0.5, [2 * (0.5 * 2 - 0.5), 2]),
    ("gamma", 0.0, [0.5, 1]),
])  # fmt: skip
def test_a_unit_that_lives_by_its_bias_loses_exactly_its_relevance(rule, weight, left):
    propagator = propagation.Propagator(half_dead(weight), rule=rule)
    found, _, starts = propagator(torch.ones(3, 1, 1, 1, dtype=torch.float64))
    assert starts.tolist() == [1, 1, 1] and propagator.whole == ["0", "2"]
    for layer, share in zip(propagator.whole, left, strict=True):
        torch.testing.assert_close(found[layer].sum((1, 2, 3)), torch.full((3,), float(share), dtype=torch.float64))


def test_only_what_every_path_crosses_has_the_whole_relevance(pictures):
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    wanted = {Chain: 7, Residual: 1, Dense: 1}
    for kind, number in wanted.items():
        propagator = propagation.Propagator(made(kind), rule="zplus", start="logit")
        found, _, starts = propagator(images)
        assert len(propagator.whole) == number
        assert set(propagator.whole) == set(list(found)[:number])
        torch.testing.assert_close(starts, propagator.model(images).max(1).values)


@pytest.mark.parametrize(("rule", "bias", "why"), [
    ("alpha2beta1", False, None), ("gamma=0.1", False, None), ("zplus", True, "biases absorb a part"),
    ("epsilon=0.1", False, "epsilon absorbs a part"), ("epsilon_plus_flat", False, "epsilon absorbs a part"),
    ("gradient_x_input", False, "a gradient has no sum to keep"),
    ({0.5: "zplus", 1: "epsilon"}, False, "epsilon absorbs a part"), ({1: "zplus"}, False, None),
])  # fmt: skip
def test_rules_that_are_not_meant_to_conserve_say_why(rule, bias, why):
    assert biases.absorbed_by(rule, bias) == why


def test_bands_of_a_setting_are_those_of_python():
    bands = [{"to": 0.3, "rule": "zplus"}, {"to": 1, "rule": "epsilon"}]
    assert propagation.from_setting(bands) == {0.3: "zplus", 1: "epsilon"}
    assert propagation.from_setting("zplus") == "zplus"


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "dilation"), [
    (8, 3, 2, 1, 1), (7, 3, 2, 1, 1), (9, 5, (2, 3), 2, 1), (8, 3, 2, 0, 1), (11, 3, 3, 2, 2), (6, 2, 2, 0, 1),
])  # fmt: skip
def test_depthwise_products_in_bfloat16_are_those_of_the_transpose(size, kernel, stride, padding, dilation):
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, kernel, stride, padding, dilation, groups=6)
    # Small whole numbers are exact in bfloat16.
    weight, x = torch.randint(-3, 4, conv.weight.shape).float(), torch.zeros(2, 6, size, size)
    S = torch.randint(-3, 4, conv(x).shape).float()
    exact = linear_maps.Map(conv).transpose(weight)(S, x.shape[2:])
    found = linear_maps.Map(conv.bfloat16()).transpose(weight.bfloat16())(S.bfloat16(), x.shape[2:])
    torch.testing.assert_close(found.float(), exact)


def test_huge_relevance_stays_finite_where_a_unit_has_no_contributions():
    conv, x = nn.Conv2d(1, 2, 1), torch.tensor([[[[0.0, 1.0]]]])
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)), conv.bias.copy_(torch.tensor([1.0, 2.0]))
        forward, backward = rules.named("gamma")(linear_maps.Map(conv), bias=False, signed=False)
        z, kept = forward(x)
        found = backward(kept, x, z, torch.full_like(z, 1e20))
    # At the first place both units live by their biases and pass on nothing; at the second both pass on all.
    torch.testing.assert_close(found, torch.tensor([[[[0.0, 2e20]]]]))
