"""Retraining: the widths of the plan, one schedule for all, resumable; and the controls beside it."""

import copy
import dataclasses
import itertools
import json
import re

import numpy as np
import pandas
import pytest
import torch
import yaml
from torch import nn

import secateur.results
from secateur import Refused, ranking, recovery
from secateur.analysis import retraining
from secateur.artifacts import correctness, evaluation_table, tables
from secateur.images import store
from secateur.models import checkpoints, freezing, zoo
from secateur.models.description import NetworkDescription
from secateur.pruning import groups, removal, stored, sweep
from secateur.retraining import kinds, networks, reinitialisation
from secateur.retraining import steps as retraining_steps
from secateur.study import consistency, retraining_checks, settings, stage_files, stage_options
from secateur.study import kinds as study_kinds
from secateur.study.levels import Terms
from secateur.study.study import Study
from secateur.training import distillation, loop, partial_file
from secateur.units import coupling, finding
from support.halves import OPTIONS, TRAIN, VALIDATION, Killed, same
from support.studies import TINY, Workflow

DESCRIBED = NetworkDescription(
    "vgg_small", {"widths": [4, 4, 6, 6, 8, 8], "hidden": 6, "channels": 1}, ("above", "below"), (1, 8, 8)
)
RESIDUAL = dataclasses.replace(DESCRIBED, name="resnet20", arguments={"shortcut": "A", "channels": 1})
EXAMPLE = torch.zeros(2, 1, 8, 8)
SHORT = OPTIONS | {"epochs": 2}


def dense(described=DESCRIBED):
    torch.manual_seed(5)
    return zoo.build(described.name, 2, **described.arguments).eval()


def order_of(model, seed=0):
    table = finding.table(finding.find(model, EXAMPLE))
    return ranking.table(ranking.at_random(table["unit"].nunique(), seed), table)


def material(partial=None, seed=7, **changes):
    return kinds.Material(TRAIN, VALIDATION, SHORT | changes, seed, partial, "here")


def plans(model, level=0.5, steps=1, seed=0):
    return retraining_steps.plans(order_of(model, seed), level, steps, Terms(1))


def shapes(model):
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


# ---- BatchNorm -----------------------------------------------------------------------------------------------


def test_statistics_are_those_of_training_images_drawn_by_the_seed():
    model = dense()
    planned = plans(model)
    told = {"batchnorm_images": 30, "batch_size": 16}
    made = [
        kinds.batchnorm(model, DESCRIBED, planned, kinds.Material(TRAIN, VALIDATION, told, seed))[0]
        for seed in (7, 7, 8)
    ]
    assert same(made[0], made[1]) and not same(made[0], made[2])
    assert made[0].features[1].num_batches_tracked == 2
    smaller = removal.narrowed(model, planned[-1])
    assert all(torch.equal(a, b) for a, b in zip(smaller.parameters(), made[0].parameters(), strict=True))


def test_every_batch_is_drawn_from_all_images(monkeypatch):
    seen = []
    monkeypatch.setattr(TRAIN, "normalised", lambda rows: seen.append(rows) or type(TRAIN).normalised(TRAIN, rows))
    told = {"batchnorm_images": 50, "batch_size": 16}
    kinds.batchnorm(dense(), DESCRIBED, [{}], kinds.Material(TRAIN, VALIDATION, told, 7))
    assert [len(rows) for rows in seen] == [13, 13, 12, 12] and len(set(np.concatenate(seen))) == 50
    # A file may be sorted by class, and a batch of one class has other statistics.
    assert all(rows.min() < 20 and rows.max() > 35 for rows in seen)


OF_RECOVERY = {
    "batchnorm": {"batchnorm_images": 30, "batch_size": 16},
    "reconstructed": {
        "images": 40,
        "split": "train",
        "fit": "patches",
        "target": "sums",
        "batchnorm": "online",
        "ridge": 0.001,
    },
    "epoch": OPTIONS | {"epochs": 1, "select": "last", "images": 30, "trainable": "all"},
}


@pytest.mark.parametrize("kind", OF_RECOVERY)
@pytest.mark.parametrize("described", [DESCRIBED, RESIDUAL], ids=["chain", "residual"])
def test_one_shot_and_as_a_kind_of_retraining_one_network_has_one_result(described, kind, tmp_path):
    model = dense(described)
    order, options = order_of(model), OF_RECOVERY[kind]
    (plan,) = retraining_steps.plans(order, 0.5, 1, Terms(1))
    seed = recovery.seed_of(0, kind, 1)
    smaller, _ = kinds.KINDS[kind](model, described, [plan], kinds.Material(TRAIN, VALIDATION, options, seed))
    wanted = networks.measured(smaller, VALIDATION, "float32", 10)
    networks.save(tmp_path / "n.pt", smaller, described, {}, plan)
    assert same(stored.load(tmp_path / "n.pt"), smaller)
    treatments = {kind: recovery.treatment(kind, model, recovery.Material(TRAIN, options, seed))}
    labels, check = VALIDATION.labels, VALIDATION.normalised(slice(0, 8))

    def batches():
        for _, pixels, classes in store.batches(VALIDATION, 10):
            yield pixels, classes

    swept = sweep.Network(model, batches, labels, check, treatments=treatments)
    pruned, treated = swept.points(order, [0.5], Terms(1))
    # To the last digit.
    np.testing.assert_array_equal(treated.measured.losses, wanted.losses)
    assert treated.measured.loss == wanted.loss and treated.recovery == kind
    assert not np.allclose(pruned.measured.losses, wanted.losses, rtol=1e-3)


# ---- distillation without labels -------------------------------------------------------------------------------

RECOVERY = OF_RECOVERY["reconstructed"]
TAUGHT = {"steps": 100, "batch_size": 8, "learning_rate": 0.01, "schedule": "cosine", "recovery": RECOVERY}


def taught(model, images=TRAIN, partial=None, **changes):
    given = dataclasses.replace(material(partial, **{**TAUGHT, **changes}), calibration=images)
    planned = plans(model)
    smaller, history = kinds.distilled(model, DESCRIBED, planned, given)
    return smaller, history, planned[-1]


def test_distillation_brings_a_reconstructed_network_nearer_to_the_dense_one_without_labels():
    model, other = dense(), copy.copy(TRAIN)
    with torch.no_grad():
        # Answers that differ from image to image.
        model.classifier[-1].weight *= 100
    before, other.labels = copy.deepcopy(model), 1 - TRAIN.labels
    smaller, history, plan = taught(model)
    turned, _, _ = taught(model, other)
    assert same(smaller, turned) and len(history) == 2
    begun, _ = kinds.reconstructed(model, DESCRIBED, [plan], kinds.Material(TRAIN, VALIDATION, RECOVERY, 7))
    rows = recovery.calibrating(recovery.Material(TRAIN, RECOVERY, 7))
    pixels = TRAIN.normalised(rows)
    with torch.no_grad():
        away = [float(distillation.loss(net.eval()(pixels), model(pixels))) for net in (smaller, begun)]
    assert away[0] < 0.9 * away[1] and not smaller.training
    assert same(model, before) and all(value.requires_grad for value in model.parameters())


def test_an_interrupted_distillation_ends_in_the_same_weights(tmp_path, monkeypatch):
    model, partial = dense(), tmp_path / "n.pt.partial"
    whole, history, _ = taught(model)
    real, calls = partial_file.write, []

    def killed(*args):
        real(*args)
        calls.append(1)
        if len(calls) == 1:
            raise Killed

    monkeypatch.setattr(partial_file, "write", killed)
    with pytest.raises(Killed):
        taught(model, partial=partial)
    resumed, again, _ = taught(model, partial=partial)
    assert len(calls) == 2 and same(resumed, whole) and again == history


@pytest.mark.parametrize("start", ["reconstructed", "distilled"])
def test_retraining_begins_where_the_kind_of_its_start_ends(start, monkeypatch):
    """In one step from the same network; in several, each recovers what it removes."""
    model, began = dense(), []
    planned = plans(model, steps=2)
    own = {"reconstructed": RECOVERY, "distilled": {**SHORT, **TAUGHT}}[start]
    wanted, _ = kinds.KINDS[start](model, DESCRIBED, planned, kinds.Material(TRAIN, VALIDATION, own, 3))
    real = loop.train

    def train(network, *rest):
        if rest[2].get("marked"):
            began.append(copy.deepcopy(network))
        return real(network, *rest)

    monkeypatch.setattr(loop, "train", train)
    given = dataclasses.replace(material(start={"kind": start, **own}, marked=True), calibration_seed=3)
    kinds.retrained(model, DESCRIBED, planned[-1:], given)
    assert same(began[0], wanted)
    kinds.retrained(model, DESCRIBED, planned, given)
    plain = [removal.narrowed(model, plan) for plan in planned]
    assert len(began) == 3 and not same(began[1], plain[0]) and shapes(began[2]) == shapes(plain[1])


def test_the_schedules_say_what_a_network_begins_with():
    config = {**STAGED, "retraining": STAGED["retraining"] | {"start": "distilled", "distilled": True, "stages": False}}
    study = Study.of(config)
    begun = stage_options.schedule(study, "retrained")["start"]
    distilled = stage_options.schedule(study, "distilled")
    assert begun == {"kind": "distilled", **distilled} and distilled["recovery"]["images"] == 500
    assert distilled["steps"] == 500 and distilled["select"] == "last" and "epochs" not in distilled
    assert "start" not in stage_options.schedule(study, "initial")
    sentence = retraining.in_words("retrained", stage_options.schedule(study, "retrained"), 1)
    assert sentence.startswith("begun with layers refitted in closed form on up to 500 unlabelled images")
    assert "500 steps of sgd" in sentence and "; then " in sentence.split("last weights are kept")[1]
    plain = Study.of({**config, "retraining": config["retraining"] | {"start": "pruned"}})
    assert "start" not in stage_options.schedule(plain, "retrained")
    for kind, wanted in (("retrained", "<images>/rank.h5"), ("distilled", "<images>/rank.h5"), ("initial", [])):
        assert stage_files.calibrating_images(study, kind) == wanted
    assert stage_files.calibrating_images(plain, "retrained") == []
    with pytest.raises(Refused, match="recovery"):
        Study.of({**config, "evaluation": {"recovery": ["none", "distilled"]}})


# ---- retraining ----------------------------------------------------------------------------------------------


def test_first_weights_are_narrowed_as_they_are_and_trained_by_the_order_of_fresh_ones(monkeypatch):
    model, calls = dense(), []
    planned = plans(model)
    monkeypatch.setattr(loop, "train", lambda network, *rest, **_: calls.append((copy.deepcopy(network), rest)) or [])
    kinds.initial(model, DESCRIBED, planned, material())
    kinds.scratch(model, DESCRIBED, planned, material())
    (first, by_first), (fresh, by_fresh) = calls
    assert same(first, removal.narrowed(model, planned[-1])) and not same(first, fresh)
    assert shapes(first) == shapes(fresh) and by_first == by_fresh
    assert study_kinds.INITIAL.order_of == "scratch"


@pytest.mark.parametrize("kind", study_kinds.REDRAWN)
def test_redrawn_first_weights_keep_what_they_say_at_the_widths_of_the_plan(kind, monkeypatch):
    model, made = dense(), []
    planned = plans(model)
    monkeypatch.setattr(loop, "train", lambda network, *rest, **_: made.append(copy.deepcopy(network)) or [])
    kinds.KINDS[kind.name](model, DESCRIBED, planned, material())
    kinds.KINDS[kind.name](model, DESCRIBED, planned, material())
    first = removal.narrowed(model, planned[-1])
    fresh = reinitialisation.fresh(DESCRIBED, planned[-1], 7)
    drawn, again = made
    assert same(drawn, again) and shapes(drawn) == shapes(first)
    for name, value in drawn.state_dict().items():
        before, others = (network.state_dict()[name] for network in (first, fresh))
        if value.dim() < 2:
            assert torch.equal(value, before), name
            continue
        assert not torch.equal(value, before) and not torch.equal(value, others), name
        if kind.name in ("sign", "sign+dist"):
            assert torch.equal(value.sign(), before.sign()), name
        if kind.name == "sign":
            assert torch.equal(value.abs(), others.abs()), name
        if kind.name == "random_scaled":
            torch.testing.assert_close(value.std(correction=0), before.std(correction=0))
            assert torch.equal(value.sign(), others.sign()), name
        if kind.name in ("dist", "sign+dist"):
            assert torch.equal(value.abs().flatten().sort().values, before.abs().flatten().sort().values), name
    assert kind.order_of == "scratch" and kind.whole


def test_stages_differ_from_retraining_in_their_loss_or_optimiser_alone():
    model, planned = dense(), plans(dense())
    made, base = {}, {"optimizer": "sgd", "loss": "cross_entropy", "label_smoothing": 0.0, "learning_rate": 0.01}
    for kind in (study_kinds.RETRAINED, *study_kinds.STAGES):
        name, given = kind.name, material(**{**base, **kind.changes})
        made[name], history = kinds.KINDS[name](model, DESCRIBED, planned, given)
        assert len(history) == 2 and shapes(made[name]) == shapes(made["retrained"])
    assert not any(same(*pair) for pair in itertools.combinations(made.values(), 2))
    config = {**STAGED, "retraining": STAGED["retraining"] | {"adam_learning_rate": 0.003}}
    study = Study.of(config)
    base = stage_options.schedule(study, "retrained")
    assert stage_options.schedule(study, "retrained_smoothed") == base | {"label_smoothing": 0.1}
    adam = {"optimizer": "adam", "loss": "distillation", "learning_rate": 0.003}
    assert stage_options.schedule(study, "retrained_distilled_adam") == base | adam
    assert [cell.kind for cell in study.cells if cell.criterion == "weight.max"] == [
        "retrained", *(kind.name for kind in study_kinds.STAGES), "initial",
    ]  # fmt: skip


STAGED = {
    "data": {"source": "digits"},
    "model": {"name": "resnet20"},
    "training": {"epochs": 3, "seeds": [0], "optimizer": "sgd"},
    "levels": [0.5],
    "retraining": {
        "criteria": ["weight.max"], "levels": [0.5], "batchnorm": False, "scratch": False, "stages": True,
        "initial": True,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("retraining", {"optimizer": "adam"}, "but retraining.optimizer is adam; set it to sgd, or leave stages out"),
        ("retraining", {"label_smoothing": 0.1}, "but retraining.label_smoothing is 0.1; set it to 0, or leave stages"),
        (
            "criteria",
            {"scores": [{"name": "a", "score": "bn_scale", "at": "initial"}]},
            "the scales of BatchNorm are al",
        ),
    ],
)
def test_stages_and_first_weights_that_tell_nothing_are_refused(section, changes, message):
    with pytest.raises(Refused, match=re.escape(message)):
        settings.checked({**STAGED, section: STAGED.get(section, {}) | changes})


@pytest.mark.parametrize("kind", ["sign", "initial", "scratch"])
def test_a_warm_up_that_is_the_whole_training_is_refused(kind):
    retraining = {"criteria": [{"criterion": "weight.max", "kinds": [kind]}], "levels": [0.5], "scratch_epochs": 1}
    with pytest.raises(Refused, match="warm_up"):
        settings.checked({**STAGED, "training": STAGED["training"] | {"warm_up": 2}, "retraining": retraining})


def test_random_channels_stand_beside_a_kind_as_the_same_kind():
    """Not as fresh weights, whose order of images first weights share; without such networks there is no difference."""
    accuracies = {
        ("l1", "initial"): 0.7,
        ("random.0", "initial"): 0.2,
        ("random.0", "scratch"): 0.1,
        ("l1", "sign"): 0.6,
    }
    cells = [{"seed": seed, "criterion": name, "level": 0.5, "kind": kind, "accuracy": accuracy + 0.01 * seed}
             for seed in (0, 1) for (name, kind), accuracy in accuracies.items()]  # fmt: skip
    dense = [{"seed": seed, "criterion": "l1", "level": 0.0, "kind": "none", "accuracy": 0.9} for seed in (0, 1)]
    rows = pandas.DataFrame(cells + dense).assign(images=10, trained_images=0, parameters=1, macs=1, loss=1.0, empty="")
    means = retraining.means(rows, None, 0.95, 100, 0).set_index(["criterion", "kind"])
    assert means.loc[("l1", "initial"), "versus_random"] == pytest.approx(0.5)
    assert np.isnan(means.loc[("l1", "sign"), "versus_random"])


def test_first_weights_that_are_the_last_ones_are_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"")
    model = {"name": "resnet20", "weights": str(tmp_path / "w.pt")}
    given = {"training": {"epochs": 0, "seeds": [0]}, "model": model}
    retraining = {"criteria": ["weight.max"], "levels": [0.5], "scratch": False, "epochs": 1}
    with pytest.raises(
        Refused, match=r"^the kind initial of retraining trains the first weights of the dense network, but training"
    ):
        settings.checked({**STAGED, **given, "retraining": retraining | {"initial": True}})
    scores = {"scores": [{"name": "snip", "score": "taylor", "at": "initial"}]}
    with pytest.raises(Refused, match=r"^criteria.scores: snip has at: initial, but training.epochs is 0"):
        settings.checked({**STAGED, **given, "retraining": retraining, "criteria": scores})
    study = Study.of({**STAGED, "criteria": scores})
    assert stage_files.scores(study, "snip") == "<network>/statistics/taylor.initial.csv"
    assert stage_files.retrained_from(study, "weight.max", "initial") == "<network>/training/initial.pt"


@pytest.mark.parametrize("steps", [1, 2])
def test_retraining_leaves_the_widths_of_the_plan_and_the_dense_network(steps):
    model = dense()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    planned = plans(model, steps=steps)
    smaller, history = kinds.retrained(model, DESCRIBED, planned, material())
    assert shapes(smaller) == shapes(removal.narrowed(model, planned[-1]))
    assert [(row["step"], row["epoch"]) for row in history] == [(s, e) for s in range(1, steps + 1) for e in (1, 2)]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not same(smaller, removal.narrowed(model, planned[-1]))


def test_steps_hold_each_other_and_end_in_the_plan_of_one_step():
    model = dense(RESIDUAL)
    several, (one,) = plans(model, steps=3), plans(model)
    assert several[-1] == one
    smaller, before = model, {}
    for plan in several:
        assert all(set(before.get(layer, [])) <= set(index) for layer, index in plan.items())
        smaller, before = removal.narrowed(smaller, groups.further(before, plan)), plan
    direct = removal.narrowed(model, one)
    assert shapes(smaller) == shapes(direct)
    pixels = TRAIN.normalised(slice(0, 8))
    torch.testing.assert_close(smaller(pixels), direct(pixels))


def test_what_goes_further_is_counted_in_what_is_left():
    assert groups.further({"a": [1, 4]}, {"a": [0, 1, 3, 4, 5], "b": [2]}) == {"a": [0, 2, 3], "b": [2]}
    assert groups.further({"a": [1]}, {"a": [1]}) == {}


@pytest.mark.parametrize("dies_in", [1, 2])
def test_a_killed_retraining_goes_on_and_ends_in_the_same_weights(tmp_path, monkeypatch, dies_in):
    model = dense()
    planned = plans(model, steps=2)
    whole, expected = kinds.retrained(model, DESCRIBED, planned, material())
    step, calls = loop._step, []

    def dying(*arguments):
        calls.append(1)
        # Four batches in each of two epochs: in the second epoch of a step.
        if len(calls) == (dies_in - 1) * 8 + 6:
            raise Killed
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", dying)
    with pytest.raises(Killed):
        kinds.retrained(model, DESCRIBED, planned, material(tmp_path / "p"))
    done = len(calls) - 2
    calls.clear()
    monkeypatch.setattr(loop, "_step", lambda *arguments: calls.append(1) or step(*arguments))
    resumed, history = kinds.retrained(model, DESCRIBED, planned, material(tmp_path / "p"))
    assert same(resumed, whole) and history == expected
    assert len(calls) == 16 - done


def test_equal_seeds_retrain_alike_and_another_seed_otherwise():
    model = dense()
    planned = plans(model)
    first, second, other = (kinds.retrained(model, DESCRIBED, planned, material(seed=seed))[0] for seed in (7, 7, 8))
    assert same(first, second) and not same(first, other)


def test_all_criteria_see_the_images_in_one_order(monkeypatch):
    model, seen, batch = dense(), [], loop.batch
    monkeypatch.setattr(loop, "batch", lambda images, rows, *rest: seen.append(rows) or batch(images, rows, *rest))
    for seed in (0, 1):
        kinds.retrained(model, DESCRIBED, plans(model, seed=seed), material())
    assert all(np.array_equal(one, other) for one, other in zip(seen[:8], seen[8:], strict=True))


def test_what_training_advises_names_the_settings_of_retraining():
    model = dense()
    with pytest.raises(ValueError, match=r"; set retraining.learning_rate lower, or retraining.batch_size higher$"):
        kinds.retrained(model, DESCRIBED, plans(model), material(learning_rate=1e30))


def test_frozen_layers_stay_frozen():
    model = dense()
    freezing.trainable(model, "classifier")
    planned = plans(model)
    smaller, _ = kinds.retrained(model, DESCRIBED, planned, material())
    untouched = removal.narrowed(model, planned[-1])
    assert same(smaller.features, untouched.features) and not same(smaller.classifier, untouched.classifier)


# ---- fresh weights -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("described", [DESCRIBED, RESIDUAL], ids=["vgg_small", "resnet20"])
def test_fresh_weights_have_the_same_shapes_and_other_values(described):
    model = dense(described)
    (plan,) = plans(model)
    smaller, fresh, again = (
        removal.narrowed(model, plan),
        *(reinitialisation.fresh(described, plan, 3) for _ in range(2)),
    )
    assert shapes(fresh) == shapes(smaller) and same(fresh, again)
    layers = [name for name, module in smaller.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    for name in layers:
        assert not torch.equal(fresh.get_submodule(name).weight, smaller.get_submodule(name).weight), name
    assert not same(fresh, reinitialisation.fresh(described, plan, 4))


def test_fresh_weights_put_out_as_much_as_those_of_a_dense_network():
    described = dataclasses.replace(DESCRIBED, arguments={"widths": [64] * 6, "hidden": 64, "channels": 1})
    (plan,) = plans(dense(described))
    full, fresh = reinitialisation.fresh(described, {}, 0), reinitialisation.fresh(described, plan, 0)
    for name in ("features.3", "features.7", "features.14", "classifier.0"):
        # What a layer puts out on inputs of one size has this variance, but for a factor.
        before, after = (net.get_submodule(name).weight.flatten(1).pow(2).sum(1).mean() for net in (full, fresh))
        assert after.item() == pytest.approx(before.item(), rel=0.1), name


def test_fresh_weights_are_wider_than_first_ones_by_the_root_of_inputs_before_over_inputs_left():
    described = dataclasses.replace(DESCRIBED, arguments={"widths": [64] * 6, "hidden": 64, "channels": 1})
    model = dense(described)
    (plan,) = plans(model)
    networks_of = {
        "first": removal.narrowed(model, plan),
        "fresh": reinitialisation.fresh(described, plan, 7),
        "scaled": reinitialisation.redrawn(model, described, plan, "random_scaled", 7),
    }
    for name in ("features.0", "features.3", "features.14", "classifier.0", "classifier.2"):
        layers = {which: network.get_submodule(name) for which, network in networks_of.items()}
        whole = model.get_submodule(name).weight
        deviation = {which: layer.weight.std(correction=0).item() for which, layer in layers.items()}
        wider = (whole[0].numel() / layers["first"].weight[0].numel()) ** 0.5
        # The first layer has few weights, and neither it nor the last one loses inputs.
        assert deviation["fresh"] / deviation["first"] == pytest.approx(wider, rel=0.12), name
        assert deviation["scaled"] == pytest.approx(deviation["first"], rel=1e-4)
        # First weights have the dense network's scale: of convolutions by fan-out, whatever inputs are left.
        if whole.dim() == 4:
            scheme = (2 / (len(whole) * whole[0, 0].numel())) ** 0.5
            assert deviation["first"] == pytest.approx(scheme, rel=0.12), name
        else:
            assert torch.equal(layers["scaled"].bias, model.get_submodule(name).bias)
            assert not torch.equal(layers["fresh"].bias, layers["scaled"].bias)


def test_drawing_fresh_weights_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    reinitialisation.fresh(DESCRIBED, {}, 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_from_scratch_everything_is_trained():
    model = dense()
    freezing.trainable(model, "classifier")
    (plan,) = planned = plans(model)
    smaller, history = kinds.scratch(model, DESCRIBED, planned, material())
    assert shapes(smaller) == shapes(removal.narrowed(model, plan)) and len(history) == 2
    start = reinitialisation.fresh(DESCRIBED, plan, 7)
    assert not torch.equal(smaller.features[0].weight, start.features[0].weight)


# ---- empty layers and files ----------------------------------------------------------------------------------


def test_an_empty_layer_of_a_chain_is_named_and_an_empty_branch_is_retrained():
    model = dense()
    plan = {"features.3": [0, 1, 2, 3]}
    found = networks.widths(coupling.followed(model, EXAMPLE), order_of(model), plan)
    assert found.constant and found.empty == ["features.3"] and found.units == 4
    residual = dense(RESIDUAL)
    plan = {"layer1.0.conv1": list(range(16))}
    assert networks.widths(coupling.followed(residual, EXAMPLE), order_of(residual), plan).constant is False
    half = {"layer1.0.conv1": list(range(8))}
    smaller, _ = kinds.retrained(residual, RESIDUAL, [half, plan], material(epochs=1))
    assert smaller(TRAIN.normalised(slice(0, 2))).shape == (2, 2)
    assert shapes(reinitialisation.fresh(RESIDUAL, plan, 0)) == shapes(smaller)
    measured = networks.measured(smaller, TRAIN, "float32", 8)
    with torch.no_grad():
        answers = smaller.eval()(TRAIN.normalised(slice(None))).argmax(1)
    assert measured.right.tolist() == (answers == torch.as_tensor(TRAIN.labels[:])).tolist()


def test_counts_are_those_of_the_smaller_network():
    from secateur import cost

    model = dense(RESIDUAL)
    (plan,) = plans(model)
    found = networks.widths(coupling.followed(model, EXAMPLE), order_of(model), plan)
    smaller = cost.count(removal.narrowed(model, plan), EXAMPLE)
    assert (found.cost.parameters, found.cost.macs) == (smaller.parameters, smaller.macs)
    assert found.realised == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("described", [DESCRIBED, RESIDUAL], ids=["vgg_small", "resnet20"])
def test_a_retrained_network_comes_back_from_its_file(tmp_path, described):
    model = dense(described)
    planned = plans(model, steps=2)
    smaller, _ = kinds.retrained(model, described, planned, material(epochs=1))
    networks.save(tmp_path / "a.pt", smaller, described, {"kind": "retrained"}, planned[-1])
    found = stored.read(tmp_path / "a.pt")
    back = found.model
    assert same(back, smaller) and found.facts["kind"] == "retrained" and found.description == described
    pixels = TRAIN.normalised(slice(0, 8))
    assert torch.equal(back(pixels), smaller(pixels))


def test_files_without_a_network_say_so(tmp_path):
    networks.save_nothing(tmp_path / "a.pt", DESCRIBED, {}, {"features.3": [0, 1, 2, 3]}, ["features.3"])
    with pytest.raises(ValueError, match="holds no network: nothing was left of features.3, so that nothing was ret"):
        stored.load(tmp_path / "a.pt")
    for name, about in (("c", None), ("d", "removed"), ("e", 3)):
        torch.save({"state_dict": {}, "about": about}, tmp_path / f"{name}.pt")
        with pytest.raises(ValueError, match=f"{name}.pt is no retrained network of this workflow"):
            stored.load(tmp_path / f"{name}.pt")
    for change in ({"removed": [1]}, {"removed": None}, {"factory": 5}, {"classes": None}, {"shape": [1, 8]}):
        networks.save(tmp_path / "f.pt", dense(), DESCRIBED, {}, {})
        content = torch.load(tmp_path / "f.pt", weights_only=True)
        torch.save(content | {"about": content["about"] | change}, tmp_path / "f.pt")
        with pytest.raises(Refused, match="f.pt describes no network that can be built here") as refused:
            stored.load(tmp_path / "f.pt")
        assert "\n" not in str(refused.value)
    checkpoints.save(tmp_path / "b.pt", dense(), DESCRIBED, {})
    with pytest.raises(ValueError, match="b.pt is no retrained network of this workflow"):
        stored.load(tmp_path / "b.pt")


# ---- settings ------------------------------------------------------------------------------------------------

LEAST = {"data": {"source": "digits", "size": 16}, "model": {"name": "vgg_small"}}
WANTED = {"criteria": ["weight.mean_abs"], "levels": [0.5]}


def checked(retrain, **more):
    return settings.checked({**LEAST, "retraining": retrain, **more})


def test_missing_keys_are_those_of_training_and_random_joins():
    config = checked(WANTED | {"epochs": 3}, training={"epochs": 9, "weight_decay": 0.01})
    found = config["retraining"]
    assert found["criteria"] == ["weight.mean_abs", "random.0"]
    assert {key: found[key] for key in ("epochs", "weight_decay", "scratch_epochs", "steps")} == {
        "epochs": 3, "weight_decay": 0.01, "scratch_epochs": 9, "steps": 1,
    }  # fmt: skip
    assert settings.checked(config) == config
    assert settings.checked(LEAST)["retraining"] is None


def cells_of(config):
    return [cell.path for cell in retraining_checks.cells(config)]


def test_cells_are_a_list_where_criteria_have_levels_and_kinds_of_their_own():
    own = {"criterion": "weight.max", "levels": [0.5, 0.3], "kinds": ["scratch", "retrained"]}
    config = checked({"criteria": ["weight.mean_abs", own], "levels": [0.2], "batchnorm": False})
    assert cells_of(config) == [
        *(f"weight.mean_abs/0.2/{kind}" for kind in ("retrained", "scratch")),
        *(f"weight.max/{level}/{kind}" for level in (0.3, 0.5) for kind in ("retrained", "scratch")),
        # The control is treated like all others: at every level, by every kind that another has there.
        *(f"random.0/{level}/{kind}" for level in (0.2, 0.3, 0.5) for kind in ("retrained", "scratch")),
    ]
    assert settings.checked(config) == config
    one = {"criterion": "weight.max", "levels": [0.3], "kinds": ["retrained"]}
    other = {"criterion": "weight.max", "levels": [0.5], "kinds": ["batchnorm"]}
    assert cells_of(checked({"criteria": [one, other], "levels": [0.5]})) == [
        "weight.max/0.3/retrained", "weight.max/0.5/batchnorm", "random.0/0.3/retrained", "random.0/0.5/batchnorm",
    ]  # fmt: skip
    control = {"criterion": "random.1", "levels": [0.3], "kinds": ["retrained"]}
    assert cells_of(checked({"criteria": [one, control], "levels": [0.5]})) == [
        "weight.max/0.3/retrained", "random.1/0.3/retrained",
    ]  # fmt: skip


def test_names_alone_are_still_a_full_product():
    config = checked({"criteria": ["weight.mean_abs", "weight.max"], "levels": [0.5, 0.3]})
    names, levels = ("weight.mean_abs", "weight.max", "random.0"), (0.3, 0.5)
    cells = itertools.product(names, levels, ("batchnorm", "retrained", "scratch"))
    assert retraining_checks.cells(config) == list(itertools.starmap(study_kinds.Cell, cells))


def test_a_kind_that_starts_from_learned_weights_is_made_of_learned_criteria_alone(monkeypatch):
    left = dataclasses.replace(study_kinds.RETRAINED, name="left", learned=True)
    monkeypatch.setitem(study_kinds.KINDS, "left", left)
    gates = {"learned": [{"name": "gates.mlp", "widths": {"16": 8}}]}
    config = checked({"criteria": ["gates.mlp", "weight.max"], "levels": [0.5]}, criteria=gates)
    made = cells_of(config)
    assert "gates.mlp.0/0.5/left" in made
    assert not {"weight.max/0.5/left", "random.0/0.5/left"} & {*made}
    wanted = {"criterion": "weight.max", "levels": [0.5], "kinds": ["left"]}
    with pytest.raises(
        Refused, match="^retraining.criteria: weight.max names the kind left, which starts from weights"
    ):
        retraining_checks.settle_retraining(config | {"retraining": config["retraining"] | {"criteria": [wanted]}})


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (
            {"criterion": "weight.max", "level": 0.5, "kind": "scratch"},
            "as scratch, but retraining.criteria gives this criterion and level other kinds; add it there",
        ),
        (
            {"criterion": "weight.max", "level": 0.3, "kind": "retrained"},
            "as retrained, but retraining does not name this criterion and level; add them there, or leave kind out",
        ),
        (
            {"criterion": "weight.max", "level": 0.5, "kind": "batchnorm"},
            "as batchnorm, but retraining.batchnorm is false; turn it on",
        ),
        ({"criterion": "weight.max", "level": 0.5, "kind": "retrained"}, None),
    ],
)
def test_an_exported_network_is_one_of_the_cells(export, message):
    wanted = {"criterion": "weight.max", "levels": [0.5], "kinds": ["retrained"]}
    retrain = {"criteria": [wanted, "weight.mean_abs"], "levels": [0.3], "batchnorm": False}
    if message is None:
        checked(retrain, export=[export])
        return
    with pytest.raises(Refused, match=re.escape(message)):
        checked(retrain, export=[export])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"criteria": ["weight.max", {"criterion": "weight.max", "kinds": ["scratch"]}]},
            "retraining.criteria asks twice for level 0.5 of weight.max as scratch; name every network once",
        ),
        (
            {"criteria": [{"criterion": "weight.max", "levels": [0.55]}]},
            "retraining.criteria: weight.max names 0.55, which is none of the study's levels (0, 0.1",
        ),
        (
            {"criteria": [{"criterion": "weight.max", "levels": [0]}]},
            "retraining.criteria.levels: got 0, but a level is the share of units removed, a fraction above 0",
        ),
        (
            {"criteria": [{"criterion": "weight.max", "kinds": ["none"]}]},
            'retraining.criteria.kinds is "none", but must be one of batchnorm, reconstructed, epoch, d',
        ),
        (
            {"criteria": [{"level": 0.5}]},
            "unknown key retraining.criteria.level; did you mean levels? Known here: crit",
        ),
        ({"levels": [0.55]}, "retraining.levels names 0.55, which is none of the study's levels (0, 0.1, 0.2, 0.3, "),
        ({"levels": [0]}, "retraining.levels: got 0, but a level is the share of units removed, a fraction above 0"),
        ({"levels": [50]}, "retraining.levels: got 50, but a level is the share of units removed, a fraction"),
        ({"epoc": 3}, "unknown key retraining.epoc; did you mean epoch? Known here: criteria, levels, epochs,"),
        ({"epochs": 0}, "retraining.epochs: 0 is less than the minimum of 1"),
        (
            {"schedule": "cosin"},
            'retraining.schedule is "cosin", but must be one of one_cycle, cosine, constant, step; did',
        ),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError) as refused:
        checked(WANTED | changes)
    assert message in str(refused.value)


RECIPE = {
    **{"epochs": 9, "schedule": "step", "milestones": [0.3, 0.6], "warm_up": 2, "crop": 4, "clip": 3.0},
    **{"nesterov": False, "loss": "squared_error", "momentum": 0.5},
}


def test_a_recipe_of_training_is_that_of_retraining_unless_it_says_otherwise():
    config = checked(WANTED | {"epochs": 4, "warm_up": 0, "clip": None}, training=RECIPE)
    found = {key: config["retraining"][key] for key in RECIPE}
    assert found == RECIPE | {"epochs": 4, "warm_up": 0, "clip": None}
    study = Study(config)
    schedule = stage_options.schedule(study, "retrained")
    assert {key: schedule[key] for key in RECIPE} == found
    assert stage_options.schedule(study, "scratch")["warm_up"] == 2


@pytest.mark.parametrize(
    ("retrain", "message"),
    [
        ({"epochs": 2}, "retraining.warm_up is 2, but retraining.epochs is 2; set retraining.warm_up lower, or "),
        (
            {"scratch_epochs": 1},
            "training.warm_up is 2, but retraining.scratch_epochs is 1; set training.warm_up lower, or retraining.scr",
        ),
        (
            {"milestones": [0.6, 0.2]},
            "retraining.milestones are 0.6, 0.2, but they have to rise, as in [0.5, 0.75]; ",
        ),
        ({"crop": 16}, "retraining.crop is 16, but images have 16 pixels (data.size), and some crops would be black; "),
    ],
)
def test_settings_of_retraining_that_do_not_go_together_are_refused(retrain, message):
    with pytest.raises(ValueError) as refused:
        checked(WANTED | {"epochs": 4} | retrain, training=RECIPE)
    assert str(refused.value).startswith(message)


def test_weights_from_outside_need_epochs_of_their_own(tmp_path):
    (tmp_path / "w.pt").touch()
    outside = {
        "model": {"name": "vgg_small", "weights": str(tmp_path / "w.pt")},
        "training": {"epochs": 0, "seeds": [0]},
    }
    with pytest.raises(
        ValueError, match="retraining.epochs is missing, and training.epochs, which stands for it, is 0"
    ):
        checked(WANTED, **outside)
    with pytest.raises(ValueError, match="give retraining.scratch_epochs, or scratch: false"):
        checked(WANTED | {"epochs": 2}, **outside)
    assert checked(WANTED | {"epochs": 2, "scratch": False}, **outside)["retraining"]["scratch_epochs"] is None


def test_a_criterion_that_the_study_lacks_is_named():
    with pytest.raises(
        ValueError, match="retraining.criteria names weight.max_ab, which is no criterion of the study; "
    ):
        consistency.check_named(
            {"export": [], "retraining": {"criteria": ["weight.max_ab"]}}, ["weight.max_abs", "random.0"]
        )


# ---- tables --------------------------------------------------------------------------------------------------


def table_of(accuracies):
    """A gathered table from {(seed, criterion, level, kind): accuracy}."""
    rows = [
        (*keys[:1], *keys[1:], 100, 0, 10, 20, 1 - accuracy, accuracy, "" if accuracy == accuracy else "features.3")
        for keys, accuracy in accuracies.items()
    ]
    return pandas.DataFrame(rows, columns=retraining.COLUMNS)


def test_differences_are_paired_by_seed_and_draws_averaged_first():
    rows = table_of(
        {
            **{(seed, name, 0, "none"): 0.9 + seed / 100 for seed in (0, 1) for name in ("a", "random.0", "random.1")},
            **{(seed, "a", 0.5, "none"): 0.3 + seed / 10 for seed in (0, 1)},
            **{(seed, "a", 0.5, "retrained"): 0.8 + seed / 10 for seed in (0, 1)},
            **{(seed, f"random.{draw}", 0.5, "retrained"): 0.6 + draw / 10 for seed in (0, 1) for draw in (0, 1)},
        }
    )
    found = retraining.means(rows, None, 0.95, 100, 0).set_index(["criterion", "level", "kind"])
    row = found.loc["a", 0.5, "retrained"]
    assert row["accuracy"] == pytest.approx(0.85) and row["seeds"] == 2
    assert row["versus_none"] == pytest.approx(0.5) and row["versus_none_low"] == pytest.approx(0.5)
    assert row["versus_random"] == pytest.approx(0.2) and np.isnan(row["versus_scratch"])
    # Differences 0.15 and 0.25: Student's t with one degree of freedom.
    assert row["versus_random_high"] - row["versus_random"] == pytest.approx(12.706 * 0.05, rel=1e-4)
    assert row["versus_dense"] == pytest.approx(0.85 - 0.905)
    assert row["accuracy_low"] == pytest.approx(0.905 + row["versus_dense_low"])
    # It would be 1.42, and no accuracy is.
    assert 0.905 + row["versus_dense_high"] > 1.4 and row["accuracy_high"] == 1
    assert (0 not in found.index.get_level_values("level")) and len(found) == 3


def test_one_network_gets_a_bootstrap_over_images():
    generator = np.random.default_rng(0)
    right = np.stack([generator.random(400) < share for share in (0.95, 0.95, 0.4, 0.8, 0.4)])
    keys = [(0, "a", 0, "none"), (0, "random.0", 0, "none"), (0, "a", 0.5, "none"), (0, "a", 0.5, "retrained")]
    keys.append((0, "random.0", 0.5, "retrained"))
    rows = table_of(dict(zip(keys, right.mean(1), strict=True)))
    found = retraining.means(rows, right, 0.95, 2000, 0).set_index(["criterion", "kind"])
    row, difference = found.loc["a", "retrained"], right[3].astype(float) - right[2]
    half = 1.96 * difference.std() / 20
    assert row["versus_none"] == pytest.approx(difference.mean())
    assert row["versus_none_high"] - row["versus_none_low"] == pytest.approx(2 * half, rel=0.1)
    again = retraining.means(rows, right, 0.95, 2000, 0).set_index(["criterion", "kind"])
    pandas.testing.assert_frame_equal(found, again)


def test_kinds_that_share_no_draw_are_not_compared():
    draws = [(0, f"gates.mlp.{draw}", 0, "none") for draw in range(3)]
    rows = table_of(
        {
            **dict.fromkeys(draws, 0.9),
            (0, "gates.mlp.0", 0.5, "none"): 0.5,
            (0, "gates.mlp.1", 0.5, "retrained"): 0.8,
            (0, "gates.mlp.2", 0.5, "scratch"): 0.7,
        }
    )
    bits = np.random.default_rng(0).random((len(rows), 100)) < rows["accuracy"].to_numpy()[:, None]
    found = retraining.means(rows, bits, 0.95, 100, 0).set_index("kind").loc["retrained"]
    assert np.isnan(found[["versus_none", "versus_scratch"]].astype(float)).all() and not np.isnan(
        found["versus_dense"]
    )


def test_draws_of_one_networks_control_are_a_source_of_variation():
    generator = np.random.default_rng(0)
    shares = {("a", 0): 0.9, ("random.1", 0): 0.9, ("random.0", 0): 0.9}
    shares |= {("a", 0.5): 0.8, ("random.0", 0.5): 0.5, ("random.1", 0.5): 0.54}
    right = {key: generator.random(400) < share for key, share in shares.items()}
    right |= {(f"random.{draw}", 0): right["a", 0] for draw in (0, 1)}
    rows = table_of({(0, *key, "none"): bits.mean() for key, bits in right.items()})
    found = retraining.means(rows, np.stack(list(right.values())), 0.95, 500, 0).set_index("criterion")
    means = [right["a", 0.5].mean() - right[f"random.{draw}", 0.5].mean() for draw in (0, 1)]
    row = found.loc["a"]
    assert row["versus_random"] == pytest.approx(np.mean(means))
    assert row["versus_random_high"] - row["versus_random"] > 12.7 * np.ptp(means) / 2
    single = [key[0] != "random.1" for key in right]
    alone = retraining.means(rows[single], np.stack(list(right.values())), 0.95, 500, 0).set_index("criterion")
    assert alone.loc["a", "versus_random"] == pytest.approx(means[0])
    assert np.isnan([alone.loc["a", "versus_random_low"], alone.loc["random", "accuracy_high"]]).all()
    assert alone.loc["a", "accuracy_low"] < alone.loc["a", "accuracy"]


def test_draws_on_one_network_count_beside_a_control_that_is_drawn():
    generator = np.random.default_rng(0)
    shares = {f"gates.mlp.{draw}": 0.6 + draw / 20 for draw in range(3)} | {f"random.{draw}": 0.4 for draw in (0, 1)}
    right = {}
    dense = generator.random(400) < 0.9
    for name, share in shares.items():
        right |= {(name, 0): dense, (name, 0.5): generator.random(400) < share}
    rows = table_of({(0, *key, "none"): bits.mean() for key, bits in right.items()})
    found = retraining.means(rows, np.stack(list(right.values())), 0.95, 500, 0).set_index("criterion")
    row, means = found.loc["gates.mlp"], [right[f"gates.mlp.{draw}", 0.5].mean() for draw in range(3)]
    assert row["accuracy"] == pytest.approx(np.mean(means))
    chance = [right[f"random.{draw}", 0.5].mean() for draw in (0, 1)]
    assert row["versus_random"] == pytest.approx(np.mean(means) - np.mean(chance))
    half = row["versus_random_high"] - row["versus_random"]
    assert half > np.hypot(12.7 * np.ptp(chance) / 2, 4.3 * np.std(means, ddof=1) / np.sqrt(3))
    # Against one draw of chance there is no interval: nothing tells how far another would lie.
    single = [key[0] != "random.1" for key in right]
    alone = retraining.means(rows[single], np.stack(list(right.values())), 0.95, 500, 0).set_index("criterion")
    assert np.isnan(alone.loc["gates.mlp", "versus_random_low"])
    assert alone.loc["gates.mlp", "accuracy_low"] < alone.loc["gates.mlp", "accuracy"]


@pytest.mark.parametrize("seeds", [(0, 1, 2), (0,)])
def test_kinds_of_one_criterion_are_compared_by_the_draws_that_both_have(seeds):
    """Draw 1 collapses when it is pruned, and is not retrained: retraining gains what it gains for draw 0."""
    right, generator = {}, np.random.default_rng(0)
    for seed in seeds:
        dense, pruned = generator.random(400) < 0.9, generator.random(400) < 0.8
        right |= {(seed, f"gates.a.{draw}", 0, "none"): dense for draw in (0, 1)}
        right |= {
            (seed, "gates.a.0", 0.5, "none"): pruned,
            (seed, "gates.a.1", 0.5, "none"): generator.random(400) < 0.2,
        }
        right[seed, "gates.a.0", 0.5, "retrained"] = pruned | (generator.random(400) < 0.25)
    rows = table_of({key: bits.mean() for key, bits in right.items()})
    bits = np.stack(list(right.values())) if len(seeds) == 1 else None
    found = retraining.means(rows, bits, 0.95, 500, 0).set_index("kind")
    gain = np.mean(
        [right[s, "gates.a.0", 0.5, "retrained"].mean() - right[s, "gates.a.0", 0.5, "none"].mean() for s in seeds]
    )
    assert found.loc["retrained", "versus_none"] == pytest.approx(gain) and 0.02 < gain < 0.08
    assert found["draws"].to_dict() == {"none": 2, "retrained": 1}


def test_the_pruned_rows_are_those_of_the_levels_of_each_criterion():
    table = pandas.DataFrame(
        [(name, floor, level) for name in ("a", "b", "c") for floor in (0, 0.1) for level in (0, 0.3, 0.5)],
        columns=["criterion", "keep_at_least", "level"],
    ).assign(recovery="none")
    again = table.assign(recovery="batchnorm")
    table = pandas.concat([table, again], ignore_index=True)
    shown = retraining.untouched(table, {"b": [0.5], "a": [0.3, 0.5]})
    assert list(zip(shown["criterion"], shown["level"], strict=True)) == [
        ("a", 0), ("a", 0.3), ("a", 0.5), ("b", 0), ("b", 0.5),
    ]  # fmt: skip
    assert set(shown["keep_at_least"]) == {0} and shown.index.tolist() == [0, 1, 2, 6, 8]


@pytest.mark.parametrize("seeds", [(0, 1), (0,)])
def test_a_network_that_was_not_retrained_leaves_no_mean(seeds):
    accuracies = {(seed, "a", level, "none"): 0.9 - level for seed in seeds for level in (0, 0.5)}
    accuracies |= {(seed, "a", 0.5, "retrained"): np.nan if seed == seeds[-1] else 0.8 for seed in seeds}
    rows = table_of(accuracies)
    found = retraining.means(rows, np.ones((len(rows), 100), bool), 0.95, 100, 0).set_index("kind").loc["retrained"]
    assert np.isnan(found[["accuracy", "versus_none", "versus_none_low", "versus_dense"]].astype(float)).all()
    assert found["collapsed"] == 1 / len(seeds)


def test_the_schedule_is_one_sentence():
    told = retraining.schedules({"schedules": {"retrained": OPTIONS}, "steps": 2})
    assert told["Retrained"].startswith(
        "pruned in 2 equal steps by one ranking, after each 4 epochs of sgd with Nesterov momentum 0.9, learning "
        "rate 0.05 (one cycle), batches of 16, weight decay 0.0005, label smoothing 0.1, images rotated by up to 10 "
        "degrees and flipped at random, float32; the epoch is kept by validation loss"
    )


def test_a_schedule_of_all_keys_is_one_sentence():
    options = OPTIONS | RECIPE | {"rotation": 0, "label_smoothing": 0.0}
    assert retraining.in_words("scratch", options, 1) == (
        "9 epochs of sgd with momentum 0.5, learning rate 0.05 (divided by ten after 30 and 60 % of the steps, a tenth "
        "of it for the first 2 epochs), batches of 16, weight decay 0.0005, gradients clipped to a norm of 3, squared "
        "error as the loss, label smoothing 0, images flipped at random and cropped at random after padding by 4 "
        "pixel(s), float32; the epoch is kept by validation loss"
    )
    assert retraining.in_words("scratch", options | {"optimizer": "adam"}, 1).startswith("9 epochs of adam, learning")


# ---- the study -----------------------------------------------------------------------------------------------

STUDY = {
    **yaml.safe_load(TINY),
    "readings": {"relevance": {}},
    "criteria": {
        "statistics": ["mean_abs"],
        "mixing": {"deltas": [], "alternate": False},
        "controls": False,
        "random": 1,
    },
    "evaluation": {"keep_at_least": [0.1], "budget": "macs", "round_to": 2, "recovery": ["none", "batchnorm"]},
    "verdict": None,
    "levels": [0, 0.5],
    "retraining": {"criteria": ["weight.mean_abs", "random.0"], "levels": [0.5], "epochs": 1, "batchnorm_images": 200},
}
STUDY["training"] = STUDY["training"] | {"seeds": [1]}
STUDY["export"] = [{"criterion": "weight.mean_abs", "level": 0.5, "kind": "retrained"}]
NETWORK = "results/digits/vgg_small/1"
KINDS = ("batchnorm", "retrained", "scratch")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of one seed that retrains, with its report."""
    workflow = Workflow(tmp_path_factory.mktemp("retraining"), yaml.safe_dump(STUDY))
    workflow.output = workflow.run("--cores", "1", "all", "report")
    return workflow


@pytest.mark.study
def test_results_give_the_recovered_and_retrained_networks_of_the_tables(study):
    results = secateur.results.open(study.folder / "results")
    images = results.images("test")
    pixels, labels = images.normalised(slice(None)), torch.from_numpy(images.labels)
    evaluated = results.table("evaluations").rename(columns={"recovery": "kind"})
    rows = pandas.concat([evaluated, results.table("retraining")])
    rows = rows[(rows["level"] > 0) & rows["empty"].isna() & rows["accuracy"].notna()]
    assert {"none", "batchnorm", "retrained", "scratch"} <= {*rows["kind"]}
    for row in rows.to_dict("records"):
        network = results.network(row["criterion"], row["level"], kind=row["kind"])
        with torch.no_grad():
            right = network(pixels).argmax(1) == labels
        assert int(right.sum()) == round(row["accuracy"] * row["images"]), row


@pytest.mark.study
def test_a_study_retrains_every_cell_and_says_by_which_schedule(study):
    table = tables.read(study.folder / "results/tables/retraining.csv", *retraining.COLUMNS)
    cells = table.groupby(["criterion", "level"])["kind"].agg(list).to_dict()
    assert cells == {
        (name, level): ["none", *(KINDS if level else [])]
        for name in ("random.0", "weight.mean_abs")
        for level in (0, 0.5)
    }
    assert table["accuracy"].between(0, 1).all()
    dense, half = (table[table["level"] == level]["macs"] for level in (0, 0.5))
    assert (0.3 * dense.max() < half).all() and (half <= 0.5 * dense.max()).all()
    evaluated = tables.read(study.folder / NETWORK / "evaluation/weight.csv").query("level == 0.5").iloc[0]
    assert evaluated["budget"] == "macs" and 0.5 <= evaluated["realised"] < 0.7
    means = tables.read(study.folder / "results/tables/retraining.means.csv")
    # One draw of a control says nothing of how much draws differ: it has no interval, and none is against it.
    drawn = means["criterion"] == "random"
    assert len(means) == 8 and means["versus_none_low"].isna().equals(drawn)
    assert means["versus_random"].notna().all() and means["versus_random_low"].isna().all()
    page = (study.folder / "results/figures/retraining.html").read_text()
    for words in ("pruned at once, then 1 epoch of sgd", "2 epochs of sgd", "up to 200 training images"):
        assert words in page
    assert "System Message" not in (study.folder / "results/report.html").read_text()


@pytest.mark.study
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_can_be_recomputed_from_the_file_of_the_network(study, kind):
    cell = study.folder / NETWORK / "retraining/weight.mean_abs/0.5"
    found = stored.read(cell / f"{kind}.pt")
    model, about = found.model, found.facts
    assert (about["kind"], about["criterion"], about["level"], about["seed"]) == (kind, "weight.mean_abs", 0.5, 1)
    row = tables.read(cell / f"{kind}.csv").iloc[0]
    with store.opened(study.folder / "results/digits/images/test.h5") as shown, torch.no_grad():
        right = (model(shown.normalised(slice(None))).argmax(1).numpy() == shown.labels).astype(bool)
    assert row["accuracy"] == pytest.approx(right.mean(), abs=1e-9)
    np.testing.assert_array_equal(correctness.read(cell / f"{kind}.h5", 1)[0], right)
    wanted = tables.read(study.folder / NETWORK / "evaluation/weight.csv").query("level == 0.5").iloc[0]
    assert (row["parameters"], row["macs"], row["units"]) == (wanted["parameters"], wanted["macs"], wanted["units"])
    assert len(tables.read(cell / f"{kind}.history.csv")) == {"batchnorm": 0, "retrained": 1, "scratch": 2}[kind]
    assert not list(cell.glob("*.partial*"))


@pytest.mark.study
def test_the_evaluation_after_reestimation_is_that_of_the_kind(study):
    network = study.folder / NETWORK
    for family, criterion in (("weight", "weight.mean_abs"), ("random", "random.0")):
        table = tables.read(network / f"evaluation/{family}.csv")
        own = table[table["criterion"] == criterion]
        cells = list(zip(own["recovery"], own["level"], strict=True))
        assert cells == [(name, level) for name in ("none", "batchnorm") for level in (0, 0.5)]
        cell = network / f"retraining/{criterion}/0.5/batchnorm"
        row, kind = own.iloc[3], tables.read(f"{cell}.csv").iloc[0]
        measured = ["loss", "accuracy", "units", "realised", "parameters", "macs", *evaluation_table.of_classes(table)]
        assert row[measured].tolist() == kind[measured].tolist() and row["loss"] != own.iloc[1]["loss"]
        right = correctness.read(network / f"evaluation/{family}.h5", len(table))
        np.testing.assert_array_equal(right[own.index[3]], correctness.read(f"{cell}.h5", 1)[0])
    # Tables of retraining take the networks as pruned from rows of none.
    means = tables.read(study.folder / "results/tables/retraining.means.csv").set_index(["criterion", "kind"])
    curves = tables.read(study.folder / "results/tables/curves.csv").query("level == 0.5")
    curves = curves.set_index(["criterion", "recovery"])
    for kind in ("none", "batchnorm"):
        assert means.loc[("weight.mean_abs", kind), "accuracy"] == curves.loc[("weight.mean_abs", kind), "accuracy"]
    gain = means.loc[("weight.mean_abs", "batchnorm"), "versus_none"]
    assert curves.loc[("weight.mean_abs", "batchnorm"), "versus_none"] == pytest.approx(gain, abs=1e-9)
    page = (study.folder / "results/figures/recovery.html").read_text()
    assert "<th>gain by BatchNorm re-estimated, points</th>" in page and "on up to 200 training images" in page
    assert "Every pruned network, and the dense one" in (study.folder / "results/tables/description.html").read_text()
    accuracy = (study.folder / "results/tables/accuracy.html").read_text()
    assert accuracy.count("kept, pruned</h2>") == accuracy.count("kept, BatchNorm re-estimated</h2>") == 1


@pytest.mark.study
def test_a_retrained_network_is_exported_as_it_is(study):
    place = study.folder / NETWORK / "export/weight.mean_abs/0.5.retrained"
    kept = stored.load(study.folder / NETWORK / "retraining/weight.mean_abs/0.5/retrained.pt")
    assert same(stored.load(place), kept)
    facts = json.loads((place / "manifest.json").read_text())
    assert facts["agreeing"] == facts["images"] and facts["pruned"]["accuracy"] != facts["smaller"]["accuracy"]
    manifest = json.loads(
        (study.folder / NETWORK / "retraining/weight.mean_abs/0.5/retrained.json").read_text(encoding="utf-8")
    )
    ran = manifest["precision"]["ran"]
    assert manifest["precision"] == {"asked": "auto", "ran": ran, "rows": {ran: 1}}
    assert "precision" not in manifest["options"] and facts["accuracy"]["precision"] == ran
    card = (place / "README.md").read_text()
    assert "| pruned, not trained again |" in card and "Retrained: pruned at once, then 1 epoch of sgd" in card
    assert "was not trained again" not in card


@pytest.mark.study
def test_other_epochs_retrain_and_nothing_else(study):
    path = study.folder / "config/config.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("epochs: 1\n", "epochs: 3\n"))
        planned = study.planned()
        assert (planned["retrain_model"], planned["export_model"]) == (2, 1)
        rest = {
            "collect_retraining",
            "plot_retraining",
            "write_settings",
            "describe_study",
            "write_study_page",
            "report",
        }
        assert set(planned) == {"retrain_model", "export_model", *rest}
    finally:
        path.write_text(text)


@pytest.mark.study
def test_an_empty_layer_is_named_and_stops_nothing(study):
    ranked = study.folder / NETWORK / "ranking/weight.mean_abs.csv"
    order, text = tables.read(ranked), ranked.read_text()
    # The first half of this order is the whole of two layers.
    whole = order["layer"].isin(["features.3", "features.14"])
    (study.folder / "empty.csv").write_text("layer,channel\n")
    pandas.concat([order[whole], order[~whole]])[["layer", "channel"]].to_csv(study.folder / "empty.csv", index=False)
    overlay = {
        "criteria": {"files": {"empty": "empty.csv"}},
        "evaluation": {"keep_at_least": [0], "budget": "units", "round_to": 1},
        "retraining": {"criteria": ["empty", "random.0"]},
        "export": [],
    }
    (study.folder / "more.yaml").write_text(yaml.safe_dump(overlay))
    cell = f"{NETWORK}/retraining/empty/0.5"
    study.run("--cores", "1", "--configfile", "config/config.yaml", "more.yaml", "--", f"{cell}/retrained.csv")
    row = tables.read(study.folder / cell / "retrained.csv").iloc[0]
    assert row["empty"].startswith("features.3") and np.isnan(row["accuracy"])
    assert ranked.read_text() == text
