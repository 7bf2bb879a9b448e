"""Learned criteria in a whole study: trained, ranked, evaluated, retrained and exported like any criterion."""

import json

import pytest
import torch
import yaml
from torch.nn import functional as F

from secateur.artifacts import tables
from secateur.images import store
from secateur.models import checkpoints
from secateur.pruning import removal, stored
from secateur.selection import descriptors
from secateur.units import finding
from support.studies import ON_DIGITS, finished

NETWORK = "results/digits/vgg_small/0"
WIDTHS = {4: 2, 6: 3, 8: 4}
LEARNED = {
    "study": "learned",
    **yaml.safe_load(ON_DIGITS),
    "training": {"seeds": [0], "epochs": 1, "batch_size": 64, "learning_rate": 0.05, "flip": False},
    "readings": {},
    "criteria": {
        "statistics": ["mean_abs"],
        "controls": ["gates.mlp"],
        "weights_per": ["macs"],
        "random": 1,
        "scores": [
            {"name": "l1_first", "score": "l1", "at": "initial", "scope": "layer"},
            {"name": "taylor_first", "score": "taylor", "at": "initial"},
        ],
        "learned": [
            {"name": "gates.mlp", "widths": WIDTHS, "epochs": 1, "draws": 2},
            {"name": "gates.still", "model": "static", "widths": WIDTHS, "epochs": 1, "weights": "frozen"},
            {"name": "scorer.own", "scope": "global", "level": 0.5, "epochs": 1, "at": "initial"},
        ],
    },
    "levels": [0.5],
    "evaluation": {"recovery": ["none", "batchnorm", "reconstructed"]},
    "retraining": {
        "criteria": [
            {"criterion": "gates.mlp", "kinds": ["learned", "continued"]},
            {"criterion": "l1.gates.mlp", "kinds": ["retrained"]},
            {"criterion": "random.0", "kinds": ["retrained"]},
            {"criterion": "l1_first", "kinds": ["reconstructed", "retrained", "retrained_distilled", "initial"]},
        ],
        "levels": [0.5],
        "epochs": 2,
        "optimizer": "sgd",
        "label_smoothing": 0,
    },
    "export": [{"criterion": "gates.mlp.0", "level": 0.5, "kind": "learned"}],
}  # fmt: skip


# What a study of a scorer's file has not.
STAGES = ("retraining", "export")


@pytest.fixture(scope="module")
def learned_study(tmp_path_factory):
    """A small study of learned criteria, finished."""
    return finished(tmp_path_factory.mktemp("learned"), LEARNED)


def test_gates_rank_what_they_close(learned_study):
    network = learned_study.folder / NETWORK
    chosen = checkpoints.load(network / "selection/gates.mlp.0.pt")
    ranking = tables.read(network / "ranking/gates.mlp.0.csv")
    first = ranking.head(len(ranking) // 2)
    by_layer = {layer: sorted(rows["channel"]) for layer, rows in first.groupby("layer")}
    assert by_layer == chosen.facts["closed"]
    assert [len(by_layer[f"features.{place}"]) for place in (0, 3, 7, 10, 14, 17)] == [2, 2, 3, 3, 4, 4]
    facts = json.loads((network / "selection/gates.mlp.0.json").read_text())["learned"]
    assert facts["units"] == 36 and facts["closed"] == 18
    history = tables.read(network / "selection/gates.mlp.0.history.csv")
    assert list(history)[-2:] == ["kept_units", "gate_changes"] and history["kept_units"].iloc[-1] == 0.5


def test_the_selection_can_be_repeated_from_its_files_by_plain_torch(learned_study):
    """The gate phase's weights, its pruning-models and the rank images give the logits and the closed channels."""
    network = learned_study.folder / NETWORK
    chosen = checkpoints.load(network / "selection/gates.mlp.0.pt")
    gates = torch.load(network / "selection/gates.mlp.0.gates.pt", weights_only=True)["gates"]
    with store.opened(learned_study.folder / "results/digits/images/rank.h5") as images:
        hidden = images.normalised(slice(0, 256))
    mask, closed = torch.ones(1), {}
    for place, layer in enumerate(chosen.model.features):
        if isinstance(layer, torch.nn.Conv2d):
            hidden = F.conv2d(hidden * mask[:, None, None], layer.weight, layer.bias, padding=layer.padding)
            own, name = gates[f"features.{place}"], f"features.{place}"
            by_unit = hidden[:32].transpose(0, 1).flatten(1)
            seen = torch.stack([by_unit.mean(1), by_unit.abs().mean(1), by_unit.std(1, correction=0)])
            seen = (seen - seen.mean(1, keepdim=True)) / seen.std(1, correction=0, keepdim=True)
            inner = F.linear(seen.flatten(), own["pruning_model.layers.0.weight"], own["pruning_model.layers.0.bias"])
            logits = own["start"] + F.linear(
                inner.relu(), own["pruning_model.layers.2.weight"], own["pruning_model.layers.2.bias"]
            )
            torch.testing.assert_close(logits, own["last"], rtol=1e-4, atol=1e-4)
            leaving = logits.where(~own["dead"], logits.min() - 1).argsort(stable=True)[: len(logits) // 2]
            closed[name] = sorted(leaving.tolist())
            mask = torch.ones(len(logits)).index_fill(0, leaving, 0)
        elif isinstance(layer, torch.nn.BatchNorm2d):
            hidden = F.batch_norm(hidden, None, None, layer.weight, layer.bias, training=True)
        else:
            hidden = layer(hidden)
    assert closed == chosen.facts["closed"]


def test_a_learned_network_is_exported_as_the_gates_left_it(learned_study):
    network = learned_study.folder / NETWORK
    exported = stored.load(network / "export/gates.mlp.0/0.5.learned")
    chosen = checkpoints.load(network / "selection/gates.mlp.0.pt")
    images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    smaller = removal.removed(chosen.model.eval(), chosen.facts["closed"], images)
    assert torch.allclose(exported.eval()(images), smaller(images), atol=1e-5)


def scored(scorer, checkpoint, rank):
    """(units,) scores by a scorer's file of a network, by its images that rank."""
    state = torch.load(scorer, weights_only=True)
    loaded = checkpoints.load(checkpoint)
    units = finding.find(loaded.model, loaded.description.zeros(1))
    with store.opened(rank) as images:
        batches = descriptors.batches_of(images, 1024, torch.device("cpu"))
        hidden = descriptors.of(loaded.model, units, batches)
    for layer in (0, 2, 4):
        hidden = F.linear(hidden, state["scorer"][f"{layer}.weight"], state["scorer"][f"{layer}.bias"])
        hidden = hidden.relu() if layer < 4 else hidden
    return hidden[:, 0].numpy()


def test_scores_follow_from_the_scorers_file_by_plain_torch(learned_study):
    network = learned_study.folder / NETWORK
    rank = learned_study.folder / "results/digits/images/rank.h5"
    wanted = scored(network / "selection/scorer.own.0.pt", network / "training/initial.pt", rank)
    table = tables.read(network / "statistics/scorer.own.0.csv")
    assert table["score"].to_numpy() == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    ranking = tables.read(network / "ranking/scorer.own.0.csv")
    assert list(ranking["unit"]) == sorted(ranking["unit"], key=lambda unit: (table["score"][unit], unit))
    read = json.loads((network / "statistics/scorer.own.0.json").read_text())["read"]
    assert read["split"] == "rank" and read["images"] == 60


def test_a_scorers_file_ranks_another_network_of_other_classes(learned_study):
    folder, file = learned_study.folder, f"{NETWORK.replace('/0', '/{seed}')}/selection/scorer.own.{{draw}}.pt"
    moved = {"name": "scorer.moved", "scope": "global", "level": 0.5, "at": "initial", "file": file}
    settings = LEARNED | {
        "study": "moved",
        "results": "results/moved",
        "data": LEARNED["data"] | {"name": "five", "classes": [0, 1, 2, 3, 4]},
        "split": {"rank": 40, "validation": 40, "test": 60},
        "model": {"name": "vgg_small", "arguments": {"widths": [5, 5, 7, 7, 9, 9], "hidden": 8}},
        "criteria": {"statistics": ["mean_abs"], "random": 1, "learned": [moved]},
    }
    (folder / "moved.yaml").write_text(yaml.safe_dump({key: settings[key] for key in settings if key not in STAGES}))
    network = folder / "results/moved/five/vgg_small/0"
    ranking = network / "ranking/scorer.moved.0.csv"
    learned_study.run("--cores", "2", "--configfile", "moved.yaml", "--", str(ranking.relative_to(folder)))
    scorer, rank = folder / NETWORK / "selection/scorer.own.0.pt", folder / "results/moved/five/images/rank.h5"
    wanted = scored(scorer, network / "training/initial.pt", rank)
    assert tables.read(network / "statistics/scorer.moved.0.csv")["score"].to_numpy() == pytest.approx(
        wanted, rel=1e-4, abs=1e-5
    )
    # Its own classes, and none of its own fits.
    assert checkpoints.load(network / "training/initial.pt").description.classes == tuple("01234")
    assert not (network / "selection").exists() and len(tables.read(ranking)) == len(wanted)


def test_networks_are_compared_at_equal_numbers_of_training_images(learned_study):
    table = tables.read(learned_study.folder / "results/tables/retraining.csv").query("level > 0")
    seen = table.set_index(["criterion", "kind"])["trained_images"].to_dict()
    images = seen["gates.mlp.0", "learned"]
    assert seen["gates.mlp.1", "continued"] == seen["l1.gates.mlp", "retrained"] == 2 * images > 0
    assert seen["gates.mlp.0", "none"] == 0
    widths = table[table["criterion"] != "random.0"].groupby("criterion")["parameters"].nunique()
    assert (widths == 1).all() and table["accuracy"].between(0, 1).all()


def test_a_reconstructed_network_has_one_result_in_the_grid_and_as_a_file(learned_study):
    network = learned_study.folder / NETWORK
    evaluated = tables.read(network / "evaluation/scores.csv").set_index(["criterion", "recovery", "level"])
    (made,) = tables.read(network / "retraining/l1_first/0.5/reconstructed.csv").to_dict("records")
    assert made["accuracy"] == evaluated.loc[("l1_first", "reconstructed", 0.5), "accuracy"]
    assert made["loss"] == evaluated.loc[("l1_first", "reconstructed", 0.5), "loss"]
    assert evaluated.loc[("l1_first", "reconstructed", 0), "loss"] == evaluated.loc[("l1_first", "none", 0), "loss"]
    smaller = stored.load(network / "retraining/l1_first/0.5/reconstructed.pt")
    with store.opened(learned_study.folder / "results/digits/images/test.h5") as images, torch.no_grad():
        right = smaller(images.normalised(slice(None))).argmax(1).numpy() == images.labels[:]
    assert made["accuracy"] == pytest.approx(right.mean())
    assert "layers refitted in closed form on up to 500 unlabelled images of the split `rank`" in (
        learned_study.folder / "results/tables/description.html"
    ).read_text().replace("&#x27;", "'")


def test_weights_by_cost_are_the_statistic_for_each_multiply_add_that_a_unit_saves(learned_study):
    network = learned_study.folder / NETWORK
    units = tables.read(network / "units/units.csv")
    statistic = tables.read(network / "statistics/weight.csv")
    by_unit = units.merge(statistic, on=["layer", "channel"]).groupby("unit").agg({"mean_abs": "sum", "macs": "first"})
    order = (by_unit["mean_abs"] / by_unit["macs"]).sort_values(kind="stable").index
    ranking = tables.read(network / "ranking/weight.mean_abs.per_macs.csv")
    assert list(ranking["unit"].drop_duplicates()) == list(order)
    assert not ranking["unit"].equals(tables.read(network / "ranking/weight.mean_abs.csv")["unit"])
    evaluated = tables.read(network / "evaluation/weight.csv")
    assert {"weight.mean_abs", "weight.mean_abs.per_macs"} == set(evaluated["criterion"])


def test_draws_of_one_network_differ_and_frozen_weights_have_no_kinds_of_their_own(learned_study):
    network = learned_study.folder / NETWORK
    first, second = (tables.read(network / f"statistics/gates.mlp.{draw}.csv") for draw in (0, 1))
    assert not first.equals(second)
    dense = checkpoints.load(network / "training/trained.pt").model.state_dict()
    frozen = checkpoints.load(network / "selection/gates.still.0.pt").model.state_dict()
    assert all(torch.equal(dense[name], frozen[name]) for name in dense)
    curves = tables.read(learned_study.folder / "results/tables/curves.csv").query("level == 0.5")
    names = {
        "gates.mlp",
        "gates.still",
        "l1.gates.mlp",
        "taylor_activation.gates.still",
        "shuffled.gates.mlp",
        "random",
    }
    assert names <= set(curves["criterion"]) and set(curves["recovery"]) == {"none", "batchnorm", "reconstructed"}


def edited(place=0, **changes):
    """Settings with other values in one learned entry."""
    settings = yaml.safe_load(yaml.safe_dump(LEARNED))
    settings["criteria"]["learned"][place].update(changes)
    return settings


AFTER = {
    "collect_evaluations", "collect_retraining", "describe_study", "evaluate_pruning", "export_model", "learn_gates",
    "plot_controls", "plot_layers", "plot_recovery", "plot_retraining", "plot_scores", "plot_statistics",
    "plot_strategies", "rank_by_score", "rank_uniform", "retrain_model", "tabulate_accuracy", "write_settings",
    "score_by_scorer", "plot_epochs", "plot_scorers", "write_study_page",
}  # fmt: skip
EDITS = {
    "a pruning-model": (
        edited(model="linear"), {"check_levels": 1, "learn_gates": 2, "rank_by_score": 2, "retrain_model": 4}
    ),
    "widths": (
        edited(widths={4: 2, 6: 3, "features.14": 3, "features.17": 5}),
        {"check_levels": 1, "learn_gates": 2, "rank_by_score": 4, "rank_shuffled": 1, "retrain_model": 5},
    ),
    "the loss of a scorer": (
        edited(place=2, label_smoothing=0.1),
        {
            **{"check_levels": 0, "learn_gates": 0, "fit_scorer": 1},
            **{"score_by_scorer": 1, "rank_by_score": 1, "rank_shuffled": 1},
        },
    ),
    "a draw more": (edited(draws=3), {"check_levels": 0, "learn_gates": 1, "rank_by_score": 1, "retrain_model": 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_learns_again_only_what_it_invalidates(learned_study, name):
    settings, wanted = EDITS[name]
    planned = learned_study.planned_with(settings, "all")
    assert {rule: planned.get(rule, 0) for rule in wanted} == wanted
    assert planned.keys() <= AFTER | wanted.keys()
