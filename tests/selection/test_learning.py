"""A gate phase: the task's loss alone, the widths that were asked for, and the same selection after a killed job."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from secateur import Refused, ranking
from secateur.models import zoo
from secateur.pruning import removal
from secateur.selection import OutputAnalyser, gate_phase, learning, pruning_models
from secateur.selection.output_analyser import layers_of
from secateur.training import loop, optimisation, partial_file
from secateur.units import finding
from support.halves import OPTIONS, TRAIN, VALIDATION, Images, Killed, same

SHORT = OPTIONS | {"epochs": 2, "select": "last", "learning_rate": 0.02, "schedule": "cosine", "label_smoothing": 0.0}
GATES = SHORT | {"optimizer": "adam", "learning_rate": 0.05, "weight_decay": 0.0}
ENTRY = {"model": "mlp", "weights": "joint", "statistics": "batch", "training": SHORT, "gates": GATES}
EXAMPLE = torch.zeros(1, 1, 8, 8)
CALIBRATION = Images(16, 5).normalised(slice(None))


def network():
    torch.manual_seed(5)
    return zoo.build("vgg_small", 2, widths=[4, 4, 6, 6, 8, 8], hidden=6, channels=1)


def halved(units):
    return {layer: len(ids) // 2 for layer, ids in layers_of(units).items()}


def selected(model=None, partial=None, scores=None, seed=7, widths=halved, **changes):
    model = model or network()
    units = finding.find(model, EXAMPLE)
    material = learning.Material(TRAIN, VALIDATION, ENTRY | changes, seed, partial, "here", calibration=CALIBRATION)
    return units, learning.selected(model, units, widths(units) if widths else None, scores, material)


def test_a_gate_phase_ends_in_the_widths_that_were_asked_for():
    units, chosen = selected()
    assert {layer: len(indices) for layer, indices in chosen.channels.items()} == halved(units)
    kept = [row["kept_units"] for row in chosen.history]
    assert kept[0] > kept[1] == 0.5 and len(kept) == 2
    smaller = removal.removed(chosen.model, chosen.channels, EXAMPLE)
    assert [layer.out_channels for layer in smaller.features if hasattr(layer, "out_channels")] == [2, 2, 3, 3, 4, 4]
    table = learning.table(chosen.scores, units)
    order = ranking.by_score(ranking.scores(table, finding.table(units), "score"))
    by_layer = layers_of(units)
    for layer, ids in by_layer.items():
        first = [unit for unit in order if unit in ids][: len(ids) // 2]
        assert sorted(units.units[unit].channels[0][1] for unit in first) == chosen.channels[layer]


def test_equal_seeds_select_alike_and_another_seed_otherwise():
    (_, first), (_, second), (_, other) = selected(), selected(), selected(seed=8)
    assert first.scores == second.scores and same(first.model, second.model)
    assert first.scores != other.scores


@pytest.mark.parametrize("weights", ["joint", "frozen"])
def test_a_killed_phase_resumes_to_the_same_selection(tmp_path, monkeypatch, weights):
    changes = {"weights": weights, "training": SHORT | {"epochs": 3}}
    _, whole = selected(**changes)
    write = partial_file.tensor_files.write

    def killed(path, content):
        write(path, content)
        raise Killed

    monkeypatch.setattr(partial_file.tensor_files, "write", killed)
    with pytest.raises(Killed):
        selected(partial=tmp_path / "p", **changes)
    monkeypatch.setattr(partial_file.tensor_files, "write", write)
    _, resumed = selected(partial=tmp_path / "p", **changes)
    assert resumed.scores == whole.scores and resumed.history == whole.history and same(resumed.model, whole.model)


def test_only_the_loss_of_the_task_is_minimised():
    """The loss of the first step is the cross-entropy of the wrapped network's own answers, bitwise."""
    model = network()
    units = finding.find(model, EXAMPLE)
    analyser = OutputAnalyser(model, units, halved(units), pruning_models.MODELS["static"])
    hook = gate_phase.GatePhase(analyser, GATES).hook()
    assert hook.loss is None
    plain = SHORT | {"epochs": 1, "batch_size": 64, "flip": False, "rotation": 0, "learning_rate": 1e-12}
    analyser.at(0, 1)
    pixels, labels = TRAIN.normalised(slice(None)), torch.from_numpy(TRAIN.labels)
    order = torch.randperm(len(TRAIN), generator=loop.seeds.torch_generator(3, "order", 1))
    with torch.no_grad():
        expected = F.cross_entropy(analyser.train()(pixels[order]), labels[order]).item()
    history = loop.train(analyser, TRAIN, VALIDATION, plain, 3, hook=hook)
    assert history[0]["train_loss"] == pytest.approx(expected, abs=0, rel=1e-12)


@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_frozen_weights_stay_bitwise_with_their_statistics(statistics):
    torch.manual_seed(5)
    model = zoo.build("resnet20", 2, channels=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, chosen = selected(model, weights="frozen", statistics=statistics, training=SHORT | {"epochs": 1})
    after = chosen.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert set(chosen.scores.values()) != {0.0}


def plain(dropout=0.0):
    """BatchNorm without parameters behind each convolution, and dropout behind one that has none."""
    torch.manual_seed(5)
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, affine=False), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU()]
    layers += [nn.Dropout(dropout), nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6, affine=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))


@pytest.mark.parametrize("statistics", ["batch", "running"])
@pytest.mark.parametrize("model", ["mlp", "static"])
def test_layers_without_parameters_are_frozen_with_the_weights_before_them(model, statistics, monkeypatch):
    changes = {"weights": "frozen", "statistics": statistics, "training": SHORT | {"epochs": 1}}
    monkeypatch.setitem(ENTRY, "model", model)
    before, modes = plain(0.5).state_dict(), []
    drop = F.dropout
    monkeypatch.setattr(F, "dropout", lambda *given: modes.append(given[2]) or drop(*given))
    _, chosen = selected(plain(0.5).eval(), **changes)
    after = chosen.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert modes and not any(modes)


def test_batchnorm_without_parameters_is_trained_with_joint_weights():
    _, chosen = selected(plain(), training=SHORT | {"epochs": 1})
    before, after = plain().state_dict(), chosen.model.state_dict()
    for name in ("1", "7"):
        assert after[f"{name}.num_batches_tracked"] == 4
        assert not torch.equal(after[f"{name}.running_mean"], before[f"{name}.running_mean"])


def test_statistics_of_batches_and_running_ones_select_otherwise():
    chosen = {}
    for statistics in ("batch", "running"):
        torch.manual_seed(5)
        model = zoo.build("resnet20", 2, channels=1)
        chosen[statistics] = selected(model, weights="frozen", statistics=statistics, training=SHORT | {"epochs": 1})[1]
    assert chosen["batch"].scores != chosen["running"].scores


def test_gates_are_trained_apart_from_the_weights():
    model = network()
    units = finding.find(model, EXAMPLE)
    analyser = OutputAnalyser(model, units, halved(units), pruning_models.MODELS["mlp"])
    group = gate_phase.GatePhase(analyser, GATES).hook().groups[0]
    of_gates = set(map(id, group.parameters))
    assert len(of_gates) == 4 * len(analyser.gated)
    of_weights = optimisation.parameters(network(), 0.0)
    count = sum(len(part["params"]) for part in of_weights)
    assert len(list(analyser.parameters())) == count + len(of_gates)


def test_the_start_decides_where_nothing_is_learned():
    still = {"training": SHORT | {"epochs": 1, "learning_rate": 1e-30}, "gates": GATES | {"learning_rate": 1e-30}}
    units = finding.find(network(), EXAMPLE)
    scores = {unit: float(unit % 5) for unit in range(len(units.units))}
    _, chosen = selected(model=None, scores=scores, **still)
    for layer, ids in layers_of(units).items():
        first = sorted(ids, key=lambda unit: (scores[unit], unit))[: len(ids) // 2]
        assert sorted(units.units[unit].channels[0][1] for unit in first) == chosen.channels[layer]


def test_a_free_budget_keeps_the_units_with_positive_logits():
    _, chosen = selected(widths=None, model=None, scores={unit: float(unit % 5) for unit in range(42)})
    closed = sum(map(len, chosen.channels.values()))
    assert closed == sum(score <= 0 for score in chosen.scores.values()) and 0 < closed < len(chosen.scores)


def test_a_pruning_model_that_diverges_stops_the_phase():
    remedy = "set learning_rate or gate_learning_rate of the learned criterion lower"
    with pytest.raises(loop.Diverged, match=remedy), np.errstate(all="ignore"):
        selected(training=SHORT | {"learning_rate": 1e30})


def test_refused_widths_leave_the_network_alone():
    with pytest.raises(Refused, match="which has no units"):
        selected(widths=lambda units: {"nothing": 1})
