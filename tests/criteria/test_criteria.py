"""Criteria against brute force, finite differences and torch-pruning, and their laws."""

import hypothesis
import numpy as np
import pandas
import pytest
import torch
from hypothesis import strategies
from torch import nn
from torch.nn import functional as F

from secateur import ranking, statistics
from secateur.criteria import from_images, from_weights, locations, running_sums
from secateur.study import own_ranking, settings, vocabulary
from support.networks import LABELS, small_vgg

LAYERS = ("features.0", "features.3", "features.7")


def scored(model, name, pictures, labels=LABELS, size=8):
    if name in from_weights.OF_WEIGHTS:
        return from_weights.of_weights(model, name)
    starts = range(0, len(labels), size)
    return from_images.of_images(model, name, [(pictures[s : s + size], labels[s : s + size]) for s in starts])


class Residual(nn.Module):
    """A stem, a block with a projection and functions in place, a depthwise convolution, and a concatenation."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.first, self.norm1 = nn.Conv2d(4, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6)
        self.second, self.norm2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.short = nn.Conv2d(4, 6, 1, stride=2)
        self.depthwise, self.act = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.ReLU6(inplace=True)
        self.linear = nn.Conv2d(6, 5, 1)
        self.classes = nn.Linear(11, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        y = self.norm2(self.second(F.relu(self.norm1(self.first(x)), True)))
        y += self.short(x)
        y = y.relu_()
        z = self.linear(self.act(self.depthwise(y)))
        return self.classes(torch.cat([y, z], 1).mean((2, 3)))


@pytest.fixture
def residual():
    torch.manual_seed(3)
    model = Residual().double().eval()
    for norm in (model.norm, model.norm1, model.norm2):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return model


# ---- what stands in tables -----------------------------------------------------------------------------------


def test_names_tables_and_schema_have_the_same_criteria():
    assert (
        tuple(from_weights.OF_WEIGHTS) == vocabulary.WEIGHT_SCORES
        and tuple(from_images.OF_IMAGES) == vocabulary.IMAGE_SCORES
    )
    found = settings.schema()["properties"]["criteria"]["properties"]
    known = [*vocabulary.WEIGHT_SCORES, *vocabulary.IMAGE_SCORES]
    items = found["scores"]["items"]
    assert items["pattern"] == f"^({'|'.join(known)})$" and items["properties"]["score"]["enum"] == known
    for rule in (found["normalise"], items["properties"]["normalise"]):
        assert rule["enum"] == list(ranking.NORMALISATIONS)
    assert items["properties"]["scope"]["enum"] == list(ranking.SCOPES)
    # Widths belong to one criterion.
    assert [*found["scope"]["enum"], "widths"] == list(ranking.SCOPES)


@pytest.mark.parametrize("name", [*vocabulary.WEIGHT_SCORES, *vocabulary.IMAGE_SCORES])
def test_every_channel_of_every_convolution_has_a_finite_score_and_the_model_is_left_alone(network, pictures, name):
    network.train()
    network.features[4].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found = scored(network, name, pictures)
    assert {layer: values.shape for layer, values in found.items()} == dict(
        zip(LAYERS, [(6,), (8,), (10,)], strict=True)
    )
    assert all(values.dtype == np.float64 and np.isfinite(values).all() for values in found.values())
    assert all((values >= 0).all() for values in found.values())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    modes = {key: module.training for key, module in network.named_modules()}
    assert not modes.pop("features.4") and all(modes.values())
    assert network.features[2].inplace and all(parameter.grad is None for parameter in network.parameters())


def test_only_the_layers_asked_for_are_scored_and_a_foreign_one_is_named(network, pictures):
    assert list(from_weights.of_weights(network, "l1", ["features.3"])) == ["features.3"]
    assert list(from_images.of_images(network, "apoz", [(pictures, LABELS)], ["features.3"])) == ["features.3"]
    with pytest.raises(
        ValueError, match="^the network calls no layer features.2 with weights; it calls features.0, features.3"
    ):
        from_weights.of_weights(network, "l1", ["features.2"])


@pytest.mark.parametrize("name", ["taylor", "apoz"])
def test_a_killed_score_goes_on_where_it_was(network, pictures, tmp_path, monkeypatch, name):
    monkeypatch.setattr(running_sums, "SECONDS", 0)
    whole = scored(network, name, pictures, size=2)
    path = tmp_path / "score.csv.partial"

    def batches(kept, until=8):
        for start in range(kept.images, 8, 2):
            if start == until:
                raise KeyboardInterrupt
            yield pictures[start : start + 2], LABELS[start : start + 2]

    kept = running_sums.Sums(path, "stamp")
    with pytest.raises(KeyboardInterrupt):
        from_images.of_images(network, name, batches(kept, 4), kept=kept)
    assert running_sums.Sums(path, "another").images == 0
    kept = running_sums.Sums(path, "stamp")
    assert kept.images == 4
    found = from_images.of_images(network, name, batches(kept), kept=kept)
    assert all(np.array_equal(found[layer], whole[layer]) for layer in whole)
    kept.forget()
    assert not path.exists()
    path.write_bytes(b"cut short")
    assert running_sums.Sums(path, "stamp").images == 0


def test_no_images_are_an_error(network):
    with pytest.raises(ValueError, match="^there are no images from which to take the score taylor$"):
        from_images.of_images(network, "taylor", [])


# ---- against the obvious way ---------------------------------------------------------------------------------


def test_norms_of_filters(network):
    for layer in LAYERS:
        W = (
            network.get_submodule(layer)
            .weight.detach()
            .numpy()
            .reshape(-1, *network.get_submodule(layer).weight.shape[1:])
        )
        flat = W.reshape(len(W), -1)
        np.testing.assert_allclose(from_weights.of_weights(network, "l1")[layer], np.abs(flat).sum(1))
        np.testing.assert_allclose(from_weights.of_weights(network, "l2")[layer], np.sqrt((flat**2).sum(1)))
        distances = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(2))
        np.testing.assert_allclose(from_weights.of_weights(network, "fpgm")[layer], distances.sum(1))


def test_equal_filters_are_equally_far_from_all_others_and_not_from_each_other():
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).double()
    model[0].weight.data[2] = model[0].weight.data[0]
    found = from_weights.of_weights(model, "fpgm")["0"]
    assert found[0] == found[2]
    alone = nn.Sequential(nn.Conv2d(3, 2, 3)).double()
    alone[0].weight.data[1] = alone[0].weight.data[0]
    assert from_weights.of_weights(alone, "fpgm")["0"].tolist() == [0, 0]


def test_bn_scale_is_of_the_norm_behind_the_convolution(network, residual):
    for layer, norm in zip(LAYERS, ("features.1", "features.4", "features.8"), strict=True):
        wanted = network.get_submodule(norm).weight.detach().abs()
        np.testing.assert_allclose(from_weights.of_weights(network, "bn_scale")[layer], wanted)
    found = from_weights.of_weights(residual, "bn_scale", ["second"])
    np.testing.assert_allclose(found["second"], residual.norm2.weight.detach().abs())


def test_bn_scale_names_the_convolution_without_a_norm(residual):
    with pytest.raises(ValueError, match="^bn_scale needs a BatchNorm .* and short has none; leave bn_scale out"):
        from_weights.of_weights(residual, "bn_scale")
    residual.norm1 = nn.BatchNorm2d(6, affine=False).eval()
    with pytest.raises(ValueError, match="and first has none"):
        from_weights.of_weights(residual, "bn_scale", ["first"])


def forward_parts(model, pictures):
    """{name: value with its gradient kept} of every place of the Residual network, by hand and without any hook."""
    m, parts = model, {}

    def keep(name, value):
        value.retain_grad()
        parts[name] = value
        return value

    pictures = pictures.clone().requires_grad_()
    stem = keep("stem", m.stem(pictures))
    x = keep("relu of stem", keep("norm", m.norm(stem)).relu())
    first = keep("first", m.first(x))
    y = keep("relu of first", keep("norm1", m.norm1(first)).relu())
    second, short = keep("second", m.second(y)), keep("short", m.short(x))
    y = keep("relu of sum", (keep("norm2", m.norm2(second)) + short).relu())
    depthwise = keep("depthwise", m.depthwise(y))
    z = keep("linear", m.linear(keep("relu of depthwise", depthwise.clamp(0, 6))))
    logits = m.classes(torch.cat([y, z], 1).mean((2, 3)))
    F.cross_entropy(logits, LABELS, reduction="sum").backward()
    return {name: (value.detach(), value.grad) for name, value in parts.items()}


ACTIVE = {
    "stem": "relu of stem", "first": "relu of first", "second": "relu of sum", "short": "relu of sum",
    "depthwise": "relu of depthwise", "linear": "linear",
}  # fmt: skip


NORMS = {"stem": "norm", "first": "norm1", "second": "norm2"}


def test_scores_of_images_are_those_of_values_found_by_hand(residual, pictures):
    parts = forward_parts(residual, pictures)
    found = {name: scored(residual, name, pictures) for name in vocabulary.IMAGE_SCORES}
    for layer, place in ACTIVE.items():
        (output, gradient), (active, active_gradient) = parts[layer], parts[place]
        bias = residual.get_submodule(layer).bias
        product = output if bias is None else output - bias.detach().view(-1, 1, 1)
        # What each scales, one part after the other: the filter with its bias, BatchNorm, what the channel hands on.
        scaled = [parts[layer], parts[place]]
        if layer in NORMS:
            scaled.insert(1, parts[NORMS[layer]])
        squares = [(value * slope).sum((2, 3)).square().mean(0) for value, slope in scaled]
        energy = product.square().sum((2, 3)).mean(0)
        wanted = {
            "jacobian": sum(squares) / len(squares),
            "obd_c": energy * gradient.square().mean((2, 3)).mean(0) / 2,
            "taylor": (product * gradient).sum((2, 3)).square().mean(0),
            "taylor_activation": (active * active_gradient).sum((2, 3)).square().mean(0),
            "gradient": gradient.abs().mean((0, 2, 3)),
            "activation": active.abs().mean((0, 2, 3)),
            "apoz": 1 - (active <= 0).double().mean((0, 2, 3)),
        }
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name][layer], values, rtol=1e-9, err_msg=f"{name} of {layer}")


def test_taylor_is_the_square_of_weights_times_gradients_image_by_image(residual, pictures):
    found = scored(residual, "taylor", pictures)
    squares = dict.fromkeys(found, 0)
    for picture, label in zip(pictures, LABELS, strict=True):
        residual.zero_grad()
        F.cross_entropy(residual(picture[None]), label[None]).backward()
        for layer in found:
            W = residual.get_submodule(layer).weight
            squares[layer] += (W.detach() * W.grad).sum((1, 2, 3)) ** 2 / len(LABELS)
    for layer, wanted in squares.items():
        np.testing.assert_allclose(found[layer], wanted, rtol=1e-9)


def test_the_jacobian_criterion_is_that_of_the_weights_that_write_and_read_a_channel(network, pictures):
    """Chen et al., 2025, image by image: filter and bias, BatchNorm, and the weights of the next layer, by autograd."""
    found = {name: scored(network, name, pictures) for name in ("jacobian", "taylor_activation")}
    for layer, norm, reader in (("features.0", "features.1", "features.3"), ("features.3", "features.4", "features.7")):
        squares = 0
        for picture, label in zip(pictures, LABELS, strict=True):
            network.zero_grad()
            F.cross_entropy(network(picture[None]), label[None]).backward()
            conv, norm_, next_ = map(network.get_submodule, (layer, norm, reader))
            of_filter = (conv.weight * conv.weight.grad).sum((1, 2, 3)) + conv.bias * conv.bias.grad
            of_norm = norm_.weight * norm_.weight.grad + norm_.bias * norm_.bias.grad
            of_reader = (next_.weight * next_.weight.grad).sum((0, 2, 3))
            squares += torch.stack([of_filter, of_norm, of_reader]).detach().square() / len(LABELS)
        np.testing.assert_allclose(found["jacobian"][layer], squares.mean(0), rtol=1e-9)
        # Behind a ReLU that one layer reads, two of the three parts are the Taylor score of the activation.
        for part in squares[1:]:
            np.testing.assert_allclose(found["taylor_activation"][layer], part, rtol=1e-9)


def test_obd_c_is_the_quadratic_form_of_the_kronecker_factors(network, pictures):
    """w' A w S / 2 by unfolded patches: the second-order change of the loss without a filter (Wang et al., 2019)."""
    found = scored(network, "obd_c", pictures)
    seen = {}
    layers = [network.get_submodule(name) for name in LAYERS]
    for name, layer in zip(LAYERS, layers, strict=True):
        layer.register_forward_hook(lambda _, inputs, output, name=name: seen.update({name: (inputs[0], output)}))
    loss = F.cross_entropy(network(pictures), LABELS, reduction="sum")
    for name, layer in zip(LAYERS, layers, strict=True):
        inputs, output = seen[name]
        (gradient,) = torch.autograd.grad(loss, output, retain_graph=True)
        patches = F.unfold(inputs.detach(), layer.kernel_size, padding=layer.padding)
        A = torch.einsum("nip,njp->ij", patches, patches) / len(LABELS)
        S = gradient.square().mean((0, 2, 3))
        W = layer.weight.detach().flatten(1)
        np.testing.assert_allclose(found[name], torch.einsum("ci,ij,cj->c", W, A, W) * S / 2, rtol=1e-9)


def test_taylor_is_the_change_of_the_loss_when_a_filter_shrinks(network, pictures):
    """The derivative of the loss by the filter's scale, from differences, for a single image."""
    pictures, labels, step = pictures[:1], LABELS[:1], 1e-6
    found = scored(network, "taylor", pictures, labels)
    for layer in LAYERS:
        W = network.get_submodule(layer).weight
        for channel in range(len(W)):
            losses = []
            for scale in (1 - step, 1 + step):
                with torch.no_grad():
                    kept = W[channel].clone()
                    W[channel] *= scale
                    losses.append(F.cross_entropy(network(pictures), labels).item())
                    W[channel] = kept
            change = (losses[1] - losses[0]) / (2 * step)
            assert found[layer][channel] == pytest.approx(change**2, rel=1e-4, abs=1e-12)


def test_taylor_of_activations_is_the_change_of_the_loss_when_a_channel_fades(network, pictures):
    pictures, labels, step = pictures[:1], LABELS[:1], 1e-6
    found = scored(network, "taylor_activation", pictures, labels)
    for layer, relu in zip(LAYERS, ("features.2", "features.5", "features.9"), strict=True):
        for channel in range(len(found[layer])):
            losses = []
            for scale in (1 - step, 1 + step):
                factor = torch.ones(len(found[layer]), 1, 1, dtype=torch.float64)
                factor[channel] = scale
                hook = network.get_submodule(relu).register_forward_hook(lambda m, i, o, factor=factor: o * factor)
                losses.append(F.cross_entropy(network(pictures), labels).item())
                hook.remove()
            change = (losses[1] - losses[0]) / (2 * step)
            assert found[layer][channel] == pytest.approx(change**2, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("name", vocabulary.IMAGE_SCORES)
def test_scores_of_images_do_not_depend_on_the_batch(residual, pictures, name):
    whole, parts = scored(residual, name, pictures), scored(residual, name, pictures, size=3)
    for layer in whole:
        np.testing.assert_allclose(parts[layer], whole[layer], rtol=1e-9)


def test_a_convolution_that_is_used_twice_has_the_positions_of_both_uses(pictures):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.classes = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3, 5)

        def forward(self, x):
            return self.classes(torch.relu(self.conv(torch.relu(self.conv(x)))).mean((2, 3)))

    model = Twice().double()
    first = torch.relu(model.conv(pictures))
    wanted = (first.mean((0, 2, 3)) + torch.relu(model.conv(first)).mean((0, 2, 3))) / 2
    np.testing.assert_allclose(scored(model, "activation", pictures)["conv"], wanted.detach())


# ---- against torch-pruning -----------------------------------------------------------------------------------


def groups(model, pictures):
    """{layer: the group of torch-pruning that removes channels of it}."""
    tp = pytest.importorskip("torch_pruning")
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=pictures[:1])
    found = {}
    for layer in LAYERS:
        conv = model.get_submodule(layer)
        found[layer] = graph.get_pruning_group(conv, tp.prune_conv_out_channels, list(range(conv.out_channels)))
    return tp.importance, found


def test_norms_and_scales_are_those_of_torch_pruning(network, pictures):
    importance, found = groups(network, pictures)
    first = {"group_reduction": "first", "normalizer": None}
    oracles = {
        "l1": lambda group: importance.GroupMagnitudeImportance(p=1, **first)(group),
        # It leaves out the root, which changes no order.
        "l2": lambda group: importance.GroupMagnitudeImportance(p=2, **first)(group).sqrt(),
        "bn_scale": lambda group: importance.BNScaleImportance(normalizer=None)(group),
    }
    for name, oracle in oracles.items():
        own = from_weights.of_weights(network, name)
        for layer, group in found.items():
            # It adds up in float32.
            np.testing.assert_allclose(own[layer], oracle(group).detach(), rtol=1e-5, err_msg=f"{name} of {layer}")


def test_fpgm_is_that_of_torch_pruning_where_no_weight_is_negative(network, pictures):
    """Torch-pruning takes distances between absolute weights to the power p; the paper's are between weights."""
    importance, _ = groups(network, pictures)
    oracle = importance.FPGMImportance(p=1, group_reduction="first", normalizer=None)
    for layer in LAYERS:
        network.get_submodule(layer).weight.data.abs_()
    own = from_weights.of_weights(network, "fpgm")
    for layer, group in groups(network, pictures)[1].items():
        np.testing.assert_allclose(own[layer], oracle(group).detach(), rtol=1e-5)
    signed = small_vgg()
    own = from_weights.of_weights(signed, "fpgm")["features.0"]
    assert not np.allclose(own, oracle(groups(signed, pictures)[1]["features.0"]).detach(), rtol=1e-2)


def test_taylor_is_the_square_of_that_of_torch_pruning_for_one_image(network, pictures):
    importance, found = groups(network, pictures)
    own = scored(network, "taylor", pictures[:1], LABELS[:1])
    network.zero_grad()
    F.cross_entropy(network(pictures[:1]), LABELS[:1]).backward()
    oracle = importance.GroupTaylorImportance(group_reduction="first", normalizer=None, multivariable=True)
    for layer, group in found.items():
        np.testing.assert_allclose(np.sqrt(own[layer]), oracle(group).detach(), rtol=1e-5)


# ---- laws ----------------------------------------------------------------------------------------------------


@hypothesis.given(
    strategies.permutations(range(8)), strategies.sampled_from([*from_weights.OF_WEIGHTS, *from_images.OF_IMAGES])
)
@hypothesis.settings(deadline=None, max_examples=40)
def test_permuting_filters_permutes_scores(order, name):
    model, other = small_vgg(), small_vgg()
    pictures = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    order = list(order)
    conv, norm, reader = (other.get_submodule(f"features.{index}") for index in (3, 4, 7))
    with torch.no_grad():
        for tensor in (conv.weight, conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.copy_(tensor[order].clone())
        reader.weight.copy_(reader.weight[:, order].clone())
    one, two = scored(model, name, pictures, LABELS[:4]), scored(other, name, pictures, LABELS[:4])
    np.testing.assert_allclose(two["features.3"], one["features.3"][order], rtol=1e-8)
    np.testing.assert_allclose(two["features.0"], one["features.0"], rtol=1e-8)


def test_a_silent_channel_has_no_merit_by_any_score_of_images(network, pictures):
    with torch.no_grad():
        network.features[4].weight[2] = 0
        network.features[4].bias[2] = -1
    for name in vocabulary.IMAGE_SCORES:
        assert scored(network, name, pictures)["features.3"][2] == 0
    assert from_weights.of_weights(network, "bn_scale")["features.3"][2] == 0


def test_stages_are_layers_with_maps_of_one_size(residual, network, pictures):
    wanted = {"features.0": 0, "features.3": 0, "features.7": 1, "classifier.0": 2, "classifier.3": 2}
    assert locations.stages(network, pictures) == wanted
    wanted = {"stem": 0, "first": 1, "second": 1, "short": 1, "depthwise": 1, "linear": 1, "classes": 2}
    assert locations.stages(residual, pictures) == wanted


# ---- from scores to rankings ---------------------------------------------------------------------------------

UNITS = pandas.DataFrame({"unit": range(6), "layer": ["a", "a", "a", "a", "b", "b"], "channel": [0, 1, 2, 3, 0, 1]})
TABLE = statistics.of_scores({"a": np.array([4.0, 3, 2, 1]), "b": np.array([0.5, 0.1])})


@pytest.mark.parametrize(
    ("how", "divisors"),
    [
        ("none", (1, 1)), ("layer_share", (10, 0.6)), ("layer_relative", (2.5, 0.3)), ("layer_max", (4, 0.5)),
        ("layer_l2", (30**0.5, 0.26**0.5)),
    ],
)  # fmt: skip
def test_normalising_divides_the_scores_of_a_layer(how, divisors):
    found = ranking.normalised(TABLE, "score", how)
    assert found["score"].tolist() == pytest.approx(
        [*np.array([4, 3, 2, 1]) / divisors[0], *np.array([0.5, 0.1]) / divisors[1]]
    )
    negative = ranking.normalised(TABLE.assign(score=-TABLE["score"]), "score", how)
    assert negative["score"].tolist() == pytest.approx((-found["score"]).tolist())
    zero = ranking.normalised(TABLE.assign(score=0.0), "score", how)
    assert zero["score"].tolist() == [0] * 6


def test_a_scope_is_what_a_channel_competes_with():
    def order(**chosen):
        return ranking.of_scores(TABLE, UNITS, **chosen).tolist()

    assert order() == [5, 4, 3, 2, 1, 0]
    assert order(normalise="layer_share") == [3, 5, 2, 1, 0, 4]
    # Of four and two channels, half of each goes first.
    assert order(scope="layer") == [3, 5, 2, 1, 4, 0]
    both = pandas.DataFrame({"layer": ["a", "b"], "stage": [0, 0]})
    assert order(scope="stage", classes=both) == order()
    assert order(scope="stage", classes=both.assign(stage=[0, 1])) == order(scope="layer")
    # Channels of one layer can be of different structures: half of the three first ones, then of the others.
    structures = UNITS[["layer", "channel"]].assign(structure=["x", "x", "x", "y", "y", "y"])
    assert order(scope="isomorphic", classes=structures) == [5, 2, 4, 1, 3, 0]
    assert order(scope="isomorphic", classes=structures.assign(structure="x")) == order()
    with pytest.raises(ValueError, match="the scope isomorphic needs a table with layer, channel, structure"):
        order(scope="isomorphic")


def test_a_unit_has_the_sum_mean_or_largest_score_of_its_channels():
    units = UNITS.assign(unit=[0, 0, 1, 2, 2, 2])
    wanted = {"sum": [7, 2, 1.6], "mean": [3.5, 2, 1.6 / 3], "max": [4, 2, 1]}
    for unit_score, values in wanted.items():
        np.testing.assert_allclose(ranking.scores(TABLE, units, "score", unit_score), values)


# ---- the user's own file -------------------------------------------------------------------------------------


def written(path, text):
    path.write_text(text)
    return path


def test_a_file_of_scores_ranks_by_score_and_a_file_without_by_its_order(tmp_path):
    path = written(tmp_path / "scores.csv", "score,layer,channel\n" + "".join(f"{9 - i},a,{i}\n" for i in range(3)))
    table = own_ranking.read(path)
    assert not own_ranking.is_order(path) and table["score"].tolist() == [9, 8, 7]
    order = written(tmp_path / "order.csv", "unit,layer,channel\n7,b,1\n3,b,0\n1,a,0\n")
    assert own_ranking.is_order(order)
    assert own_ranking.read(order)[["layer", "channel", "score"]].to_numpy().tolist() == [
        ["b", 1, 0],
        ["b", 0, 1],
        ["a", 0, 2],
    ]


def test_a_file_with_layers_named_by_digits_keeps_them_as_text(tmp_path):
    table = own_ranking.read(written(tmp_path / "digits.csv", "layer,channel\n0,0\n0,1\n"))
    assert table["layer"].tolist() == ["0", "0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,channel\na,0\na,1\na,0\n", "names channel 0 of layer a twice; give every channel one row"),
        (
            "layer,channel,score\na,0,1\na,1,\n",
            "has no number as the score of channel 1 of layer a; every channel needs",
        ),
        ("layer,channel,score\na,0,1\na,1,high\n", "has no number as the score of channel 1 of layer a"),
        ("layer,channel,score\na,0,1\na,1,inf\n", "has no number as the score of channel 1 of layer a"),
        ("layer,score\na,0\n", "lacks the column channel; it has layer, score"),
        ("", "is not a readable CSV table"),
    ],
)
def test_a_file_that_cannot_rank_is_refused_by_name(tmp_path, text, message):
    path = written(tmp_path / "mine.csv", text)
    with pytest.raises(ValueError) as caught:
        own_ranking.read(path)
    assert message in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0)],
            "mine.csv lacks channel 1 of layer b; it has 5 of the 6 channels",
        ),
        (
            [("a", 4)],
            "mine.csv names channel 4 of layer a, but the layer has 4; 1 of its 1 channels cannot be removed",
        ),
        ([("c", 0)], "mine.csv names channel 0 of layer c, but no channel of the layer c can be removed"),
    ],
)
def test_missing_and_foreign_channels_are_named(rows, message):
    table = pandas.DataFrame(rows, columns=["layer", "channel"])
    with pytest.raises(ValueError) as caught:
        own_ranking.refuse_foreign(table, UNITS, "mine.csv")
    assert message in str(caught.value)


class Overwritten(nn.Module):
    """The ReLU is done in place, and its result read through what it overwrote."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        x = self.first(x)
        x.relu_()
        return self.head(self.second(x).relu().mean((2, 3)))


@pytest.mark.parametrize("name", from_images.OF_IMAGES)
def test_scores_of_a_network_that_its_graph_does_not_compute_are_refused(name, pictures):
    torch.manual_seed(0)
    batch = [(pictures, torch.zeros(len(pictures), dtype=torch.long))]
    with pytest.raises(ValueError, match=r"^the graph that is followed answers otherwise than the model .*\(relu_\)$"):
        from_images.of_images(Overwritten().double(), name, batch)


def test_the_first_channel_that_is_missing_is_so_by_number():
    units = pandas.DataFrame({"layer": ["a"] * 12, "channel": range(12)})
    with pytest.raises(ValueError, match="^mine.csv lacks channel 2 of layer a; it has 10 of the 12 channels"):
        own_ranking.refuse_foreign(units.query("channel not in (2, 10)"), units, "mine.csv")
