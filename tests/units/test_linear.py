"""Hidden features of linear layers: read, scored, ranked and removed like the channels of an equal convolution.

A linear layer behind a flatten is a convolution whose kernel covers the whole map: the twin of a network has one in its
place, and everything that is known of convolutions has to be true of the linear layer.
"""

import numpy as np
import pandas
import pytest
import torch
from torch import nn

from secateur import ranking, statistics
from secateur.criteria import from_images, from_weights, locations
from secateur.pruning import plans, removal, stored, sweep
from secateur.relevance import propagation
from secateur.study.levels import Terms
from secateur.units import finding
from support.networks import LABELS, small_vgg
from support.studies import ON_DIGITS, Workflow
from support.torchlrp import ORACLE, oracle_network

HIDDEN, TWIN = "classifier.0", "whole"


def with_norm():
    """A small VGG with a BatchNorm behind its hidden linear layer too."""
    model = small_vgg()
    norm = nn.BatchNorm1d(12).double()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    nn.init.normal_(norm.weight)
    model.classifier = nn.Sequential(model.classifier[0], norm, *model.classifier[1:])
    return model.eval()


def twin_of(model):
    """The same function with a convolution in place of the hidden linear layer."""
    hidden, *others, last = model.classifier
    twin = nn.Sequential()
    twin.features, twin.whole = model.features, nn.Conv2d(10, 12, 2)
    twin.whole.weight = nn.Parameter(hidden.weight.detach().view(12, 10, 2, 2).clone())
    twin.whole.bias = nn.Parameter(hidden.bias.detach().clone())
    for place, module in enumerate(others):
        if isinstance(module, nn.BatchNorm1d):
            norm = nn.BatchNorm2d(12).double()
            norm.load_state_dict(module.state_dict())
            module = norm
        twin.add_module(f"other{place}", module)
    twin.flatten, twin.last = nn.Flatten(), last
    return twin.eval()


@pytest.fixture(params=[small_vgg, with_norm], ids=["plain", "norm"])
def pair(request):
    model = request.param()
    return model, twin_of(model)


def named(table):
    return table.replace({"layer": {TWIN: HIDDEN}})


def test_twins_are_one_function(pair, pictures):
    model, twin = pair
    torch.testing.assert_close(model(pictures), twin(pictures))


def test_units_are_those_of_the_twin(pair, pictures):
    model, twin = pair
    found, wanted = finding.find(model, pictures, linear="units"), finding.find(twin, pictures)
    pandas.testing.assert_frame_equal(finding.table(found), named(finding.table(wanted)))
    assert finding.linear_layers(model, finding.table(found)) == [HIDDEN]


@pytest.mark.parametrize("name", [*from_weights.OF_WEIGHTS, *from_images.OF_IMAGES])
def test_scores_are_those_of_the_twin(pictures, name):
    model = with_norm()
    found, wanted = (
        from_weights.of_weights(one, name, [layer])[layer]
        if name in from_weights.OF_WEIGHTS
        else from_images.of_images(one, name, [(pictures, LABELS)], [layer])[layer]
        for one, layer in ((model, HIDDEN), (twin_of(model), TWIN))
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("at", ["output", "next_input"])
@pytest.mark.parametrize("rule", ["alpha2beta1", "epsilon", "gamma", "gradient_x_input"])
def test_relevance_is_that_of_the_twin(pair, pictures, rule, at):
    model, twin = pair
    found = propagation.propagate(model, pictures, rule=rule, at=at, linear=[HIDDEN])
    wanted = propagation.propagate(twin, pictures, rule=rule, at=at)
    if at == "next_input":
        # Behind a flatten the positions of a channel are summed.
        wanted["features.7"] = wanted["features.7"].sum((2, 3), keepdim=True)
    assert list(found) == ["features.0", "features.3", "features.7", HIDDEN]
    assert found[HIDDEN].shape == (8, 12, 1, 1)
    for layer, R in found.items():
        torch.testing.assert_close(R, wanted[TWIN if layer == HIDDEN else layer], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["alpha2beta1", "alpha1beta0"])
def test_relevance_of_features_equals_torchlrp(rule):
    oracle = np.load(ORACLE)
    found = propagation.propagate(oracle_network(oracle), torch.from_numpy(oracle["x"]), rule=rule, linear=["fc1"])
    np.testing.assert_allclose(found["fc1"][:, :, 0, 0], oracle[f"{rule}/fc1/out"], rtol=1e-9, atol=1e-12)


def test_features_at_many_positions_are_channels_with_as_many():
    class Everywhere(nn.Module):
        """A linear layer that is applied to every position of a map, as in ConvNeXt; its twin has kernels of 1."""

        def __init__(self, linear):
            super().__init__()
            self.stem, self.act, self.end, self.linear = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(6, 5), linear
            self.wide = nn.Linear(4, 6) if linear else nn.Conv2d(4, 6, 1)

        def forward(self, x):
            x = self.act(self.stem(x))
            if self.linear:
                x = self.act(self.wide(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
            else:
                x = self.act(self.wide(x))
            return self.end(x.mean((2, 3)))

    torch.manual_seed(0)
    model, twin = Everywhere(True).double().eval(), Everywhere(False).double().eval()
    twin.load_state_dict({k: v[..., None, None] if k == "wide.weight" else v for k, v in model.state_dict().items()})
    images = torch.randn(8, 3, 8, 8, dtype=torch.float64)
    found = propagation.propagate(model, images, linear=["wide"])["wide"]
    wanted = propagation.propagate(twin, images)["wide"]
    assert found.shape == (8, 6, 36, 1)
    torch.testing.assert_close(found, wanted.flatten(2)[..., None])
    for name in ("taylor", "activation", "gradient"):
        one, other = (from_images.of_images(net, name, [(images, LABELS)], ["wide"])["wide"] for net in (model, twin))
        np.testing.assert_allclose(one, other)
    pandas.testing.assert_frame_equal(
        finding.table(finding.find(model, images, linear="units")), finding.table(finding.find(twin, images))
    )


def test_evaluations_are_those_of_the_twin(pair, pictures):
    model, twin = pair
    model, twin, pictures = model.float(), twin.float(), pictures.float()
    found, wanted = finding.find(model, pictures, linear="units"), finding.find(twin, pictures)
    order = ranking.at_random(len(found.units), 5)
    points = [
        list(
            sweep.Network(net, lambda: [(pictures, LABELS)], LABELS.numpy(), pictures[:2]).points(table, [0, 0.4, 0.8])
        )
        for net, table in (
            (model, ranking.table(order, finding.table(found))),
            (twin, ranking.table(order, finding.table(wanted))),
        )
    ]
    for one, other in zip(*points, strict=True):
        assert one.measured.loss == pytest.approx(other.measured.loss, rel=1e-5)
        assert (one.cost, one.units) == (other.cost, other.units)
        assert list(one.removed.values()) == list(other.removed.values())


def test_a_ranking_without_features_is_of_the_same_network(network, pictures):
    """Whether features are ranked is a setting; a part of them is a ranking of another network."""
    network, pictures = network.float(), pictures.float()
    evaluated = sweep.Network(network, lambda: [(pictures, LABELS)], LABELS.numpy(), pictures[:2])
    table = finding.table(finding.find(network, pictures, linear="units"))
    whole = ranking.table(ranking.at_random(table["unit"].nunique(), 0), table)
    convolutions = whole[whole["layer"] != HIDDEN]
    assert HIDDEN in next(evaluated.points(whole, [0.5])).removed
    assert HIDDEN not in next(evaluated.points(convolutions, [0.5])).removed
    lacking = whole[(whole["layer"] != HIDDEN) | (whole["channel"] > 0)]
    with pytest.raises(ValueError, match="the first that differs is channel 0 of layer classifier.0"):
        next(evaluated.points(lacking, [0.5]))


def test_a_layer_without_features_is_named(network, pictures):
    with pytest.raises(ValueError, match="^nothing would be left of classifier.0; keep at least one channel"):
        removal.removed(network, {HIDDEN: list(range(12))}, pictures)
    with pytest.raises(ValueError, match="^channel 0 of layer classifier.3 cannot be removed: its channels are what"):
        removal.removed(network, {"classifier.3": [0]}, pictures)


def test_stages_tell_linear_layers_from_maps(network, pictures):
    assert list(locations.stages(network, pictures).items())[2:] == [
        ("features.7", 1),
        (HIDDEN, 2),
        ("classifier.3", 2),
    ]


def test_statistics_of_weights_take_a_row_as_a_filter(network):
    row = network.get_submodule(HIDDEN).weight.detach().numpy()
    table = statistics.of_weights({HIDDEN: row})
    np.testing.assert_allclose(table["mean_abs"], np.abs(row).mean(1))
    np.testing.assert_allclose(table["max"], row.max(1))


STUDY = f"""
study: linear
question: "Do linear layers lose features?"
{ON_DIGITS}"""
STUDY += """\
training: {seeds: [0], epochs: 1, batch_size: 32, learning_rate: 0.05, flip: false}
readings: {relevance: {shards: 2}}
criteria:
  linear: units
  statistics: [mean_abs]
  mixing: {deltas: ["0.5"]}
  random: 1
  scores: [l1, taylor, {name: l1_stage, score: l1, scope: stage}]
evaluation: {keep_at_least: [0.1]}
levels: [0, 0.5]
retraining: {criteria: [l1], levels: [0.5], epochs: 1, scratch: false}
export: [{criterion: l1, level: 0.5}]
"""


@pytest.mark.study
def test_a_study_with_features_as_units(tmp_path):
    study = Workflow(tmp_path, STUDY)
    study.run("--cores", "2", "all", "report")
    network = tmp_path / "results" / "digits" / "vgg_small" / "0"
    ranked = {path.stem: pandas.read_csv(path) for path in (network / "ranking").glob("*.csv")}
    assert {"relevance.mean_abs", "weight.mean_abs", "l1", "taylor", "l1_stage", "random.0"} <= set(ranked)
    assert all((table["layer"] == HIDDEN).sum() == 12 for table in ranked.values())
    found = pandas.read_csv(network / "evaluation" / "relevance.csv")
    assert f"removed.{HIDDEN}" in found.columns and len(found) == 2
    smaller = stored.load(network / "export" / "l1" / "0.5")
    lost = plans.plan(ranked["l1"], "0.5", Terms(keep_at_least=0.1))[HIDDEN]
    assert lost and smaller.get_submodule(HIDDEN).out_features == 12 - len(lost)
    said = study.run("--cores", "1", "check")
    assert "classifier.0" in said and study.planned() == {}
