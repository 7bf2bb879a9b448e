"""Scorers among the learned criteria of a study: their keys, what they depend on, each mistake in one line."""

import copy

import pytest

from secateur import Refused
from secateur.study import criteria_names, paths, settings, stage_files, stage_options
from secateur.study.study import Study

OWN = {"name": "scorer.own", "widths": {16: 8, 32: 22}, "draws": 2}
WIDE = {"name": "scorer.wide", "scope": "global", "level": 0.3}
SETTINGS = {
    "data": {"source": "cifar10"},
    "model": {"name": "resnet20"},
    "readings": {},
    "training": {"seeds": [5], "epochs": 9, "momentum": 0.8, "label_smoothing": 0.2},
    "criteria": {"residual": "inner", "random": 3, "learned": [OWN]},
    "levels": [0.3, 0.5],
}


def of(*entries, **sections):
    config = copy.deepcopy(SETTINGS) | sections
    config["criteria"] = config["criteria"] | {"learned": copy.deepcopy(list(entries))}
    return Study.of(config)


def test_every_key_of_a_scorer_has_its_default_and_checking_twice_changes_nothing():
    study = of(OWN)
    (entry,) = study.settings["criteria"]["learned"]
    assert entry == {
        "name": "scorer.own", "kind": "scorer", "widths": {"16": 8, "32": 22}, "scope": "layer", "level": None,
        "fit": "gradient", "file": None, "at": "trained", "gradients": True, "loss": "cross_entropy",
        "label_smoothing": 0, "gate_gradient": "annealed", "weights": "frozen", "statistics": "batch",
        "calibration": {"split": "rank", "images": 1024}, "draws": 2, "epochs": 2, "learning_rate": 0.02,
        "schedule": "cosine", "select": "last", "gate_optimizer": "adam", "gate_learning_rate": 0.01,
    }  # fmt: skip
    assert settings.checked(study.settings) == study.settings
    assert of(OWN | {"gate_optimizer": "sgd"}).entries["scorer.own"]["gate_learning_rate"] == 0.1


def test_a_scorer_within_layers_has_the_same_beside_it_as_gates_and_one_over_all_only_chance():
    study = of(OWN, WIDE)
    beside = ["l1.scorer.own", "taylor_activation.scorer.own"]
    assert study.families["scorer.own"] == ["scorer.own.0", "scorer.own.1", *beside]
    assert study.families["scorer.wide"] == ["scorer.wide.0"]
    assert study.scored["scorer.own.1"]["scope"] == "widths" and study.scored["scorer.wide.0"]["scope"] == "global"
    assert stage_files.shuffled(study, "scorer.wide") == ["<network>/ranking/scorer.wide.0.csv"]
    assert criteria_names.channel_scores(study.settings["criteria"]).keys() == {"l1", "taylor_activation"}
    assert [*study.scorers] == study.fitted == ["scorer.own.0", "scorer.own.1", "scorer.wide.0"]
    assert study.gated == {}
    written = [path.removeprefix("results/cifar10/resnet20/5/") for path, _ in paths.written(study.settings)]
    assert len(written) == len({*written}) and "selection/scorer.own.1.gates.pt" not in written
    assert {"selection/scorer.own.1.pt", "statistics/scorer.own.1.json", "statistics/scorer.wide.0.csv"} <= {*written}


def test_a_fit_depends_on_its_own_loss_and_terms_and_its_scores_on_the_images_of_gradients_alone():
    study = of(OWN, WIDE)
    options = stage_options.fitting(study, "scorer.own.1")
    # The smoothing of the training is not that of the fit.
    assert options["training"]["label_smoothing"] == 0 and options["training"]["momentum"] == 0.8
    assert options["draw"] == 1 and "terms" not in options
    assert stage_options.fitting(of(OWN, WIDE, levels=[0.3]), "scorer.own.1") == options
    changed = of(OWN | {"loss": "distillation"}, WIDE)
    assert stage_options.fitting(changed, "scorer.own.1")["training"]["loss"] == "distillation"
    assert stage_options.scoring(changed, "scorer.own.1", 5) == stage_options.scoring(study, "scorer.own.1", 5)
    floored = of(WIDE, evaluation={"budget": "macs", "keep_at_least": [0.125]})
    wide = stage_options.fitting(floored, "scorer.wide.0")
    assert wide["terms"] == {"budget": "macs", "keep_at_least": 0.125, "round_to": 1}
    assert wide != stage_options.fitting(study, "scorer.wide.0")
    assert (
        stage_files.fitting(of(WIDE | {"at": "initial"}), "scorer.wide.0")["network"] == "<network>/training/initial.pt"
    )


@pytest.mark.parametrize(
    ("change", "split"),
    [
        ({}, "train"),
        ({"fit": "none"}, "rank"),
        ({"fit": "none", "gradients": False}, "none"),
        ({"calibration": {"split": "validation"}, "fit": "none"}, "validation"),
    ],
)
def test_the_split_that_ranks_is_that_of_the_fit_or_of_the_gradients(change, split):
    assert stage_options.ranked_on(of(OWN | change), "scorer.own.1") == split


def test_a_scorer_from_elsewhere_counts_by_its_content_and_is_not_fitted(tmp_path):
    path = str(tmp_path / "{seed}" / "scorer.{draw}.pt")
    (tmp_path / "5").mkdir()
    for draw in (0, 1):
        (tmp_path / "5" / f"scorer.{draw}.pt").write_bytes(b"one")
    study = of(OWN | {"file": path})
    assert study.fitted == [] and stage_files.scoring(study, "scorer.own.1")["scorer"] == []
    before = stage_options.scoring(study, "scorer.own.1", 5)
    (tmp_path / "5" / "scorer.1.pt").write_bytes(b"other")
    assert stage_options.scoring(study, "scorer.own.1", 5)["content"] != before["content"]
    assert len(stage_options.learned_facts(study)[0]["files"]) == 2
    assert stage_options.ranked_on(study, "scorer.own.0") == "rank"
    (tmp_path / "5" / "scorer.1.pt").unlink()
    with pytest.raises(Refused, match=r"has the file .*5/scorer.1.pt, but there is no such file, .* run the study"):
        of(OWN | {"file": path})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (OWN | {"kind": "gates"}, "scorer.own has kind: gates, but its name begins with scorer; make them one"),
        (OWN | {"model": "mlp"}, "scorer.own has model, which only learned criteria of kind gates have; leave it out"),
        (OWN | {"name": "gates.a", "fit": "none"}, "gates.a has fit, which only learned criteria of kind scorer have"),
        (OWN | {"widths": None}, "scorer.own has scope: layer, but no widths to meet; give some, as widths: {16: 8}"),
        (OWN | {"level": 0.3}, "scorer.own has a level, but scope: layer, which meets widths; leave level out"),
        (WIDE | {"widths": {16: 8}}, "scorer.wide has scope: global, which finds its own widths, but also widths"),
        (WIDE | {"level": None}, "scorer.wide has scope: global and no level; name one of the study's levels, for whi"),
        (
            WIDE | {"level": 0.4},
            "scope: global and level: 0.4; name one of the study's levels, for which it is fit",
        ),
        (OWN | {"fit": "evolution", "weights": "joint"}, "has fit: evolution, which has no gradients and minimises th"),
        (OWN | {"weights": "joint", "statistics": "running"}, "has statistics: running, which are those of frozen wei"),
        (OWN | {"file": "a.pt", "fit": "none"}, "scorer.own has a file, which is not fitted again, but fit: none"),
        (OWN | {"file": "a.pt"}, "scorer.own has 2 draws of one file, all alike; take draws: 1, or name {draw}"),
        (OWN | {"calibration": {"split": "test"}}, "scorer.own has calibration.split: test, the images that are repor"),
        (OWN | {"gradients": "yes"}, 'criteria.learned.gradients: got "yes", but it must be true, false or null'),
        (WIDE | {"at": "initial", "loss": "distillation"}, "at: initial, but loss: distillation, which asks the dense"),
        (WIDE | {"at": "initial", "statistics": "running"}, "at: initial, but statistics: running, which are those of"),
        (OWN | {"at": "initial"}, "scorer.own has at: initial, but scope: layer, which ranks channels of one layer"),
        (WIDE | {"at": "initial", "select": "validation_loss"}, "but select: validation_loss: validation computes wit"),
        (
            OWN | {"fit": "evolution", "loss": "distillation"},
            "which has no gradients and minimises the cross-entropy, ",
        ),
        (OWN | {"fit": "evolution", "gate_optimizer": "sgd"}, "the cross-entropy, but gate_optimizer: sgd; leave gate"),
        (OWN | {"fit": "none", "weights": "joint"}, "has fit: none, so that nothing is fitted, but weights: joint"),
        (
            OWN | {"file": "a.pt", "draws": 1, "loss": "distillation"},
            "has a file, so that nothing is fitted here, but l",
        ),
        (
            OWN | {"loss": "distillation", "label_smoothing": 0.1},
            "whose targets are the dense network's answers, but l",
        ),
        (WIDE | {"level": 30}, "criteria.learned.level: got 30, but a level is the share of units removed"),
    ],
)
def test_a_mistake_is_one_line(entry, message):
    with pytest.raises(Refused) as refused:
        of(entry)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_first_weights_that_are_the_last_ones_and_rounded_widths_are_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"")
    model = {"name": "resnet20", "weights": str(tmp_path / "w.pt")}
    with pytest.raises(Refused, match="has at: initial, but training.epochs is 0: the given weights are both"):
        of(WIDE | {"at": "initial"}, model=model, training={"seeds": [5], "epochs": 0})
    with pytest.raises(Refused, match="scope: global, whose widths are not rounded, but evaluation.round_to is"):
        of(WIDE, evaluation={"round_to": 8})


def test_weights_that_are_trained_beside_a_scorer_are_no_start_of_retraining():
    retraining = {"criteria": [{"criterion": "scorer.own", "kinds": ["learned"]}], "levels": [0.3]}
    with pytest.raises(Refused, match="names the kind learned, which starts from weights that learning left; only"):
        of(OWN | {"weights": "joint"}, retraining=retraining)
