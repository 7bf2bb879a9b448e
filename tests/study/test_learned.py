"""Learned criteria in a study's settings: their names, what stands beside them, and each mistake in one line."""

import copy

import pytest

from secateur import Refused
from secateur.study import criteria_names, paths, settings, stage_files, stage_options
from secateur.study.study import Study

GATES = {"name": "gates.mlp", "widths": {16: 8, 32: 22}, "draws": 2}
SETTINGS = {
    "data": {"source": "cifar10"},
    "model": {"name": "resnet20"},
    "readings": {},
    "training": {"seeds": [5], "epochs": 9, "momentum": 0.8},
    "criteria": {"residual": "inner", "random": 3, "learned": [GATES]},
    "levels": [0.3],
}


def of(learned=(GATES,), **criteria):
    """The study with these learned criteria, and changes of `criteria` and of `evaluation`."""
    config = copy.deepcopy(SETTINGS)
    config["evaluation"] = criteria.pop("evaluation", {})
    config["retraining"] = criteria.pop("retraining", None)
    config["criteria"] |= {"learned": copy.deepcopy(list(learned)), **criteria}
    return Study.of(config)


@pytest.fixture(scope="module")
def study():
    return of()


def test_every_key_has_its_default_and_checking_twice_changes_nothing(study):
    (entry,) = study.settings["criteria"]["learned"]
    assert entry == {
        "name": "gates.mlp", "kind": "gates", "model": "mlp", "widths": {"16": 8, "32": 22}, "budget": "exact",
        "weights": "joint", "statistics": "batch", "start": "l1", "calibration": {"split": "rank", "images": 256},
        "draws": 2, "epochs": 2, "learning_rate": 0.02, "schedule": "cosine", "gate_optimizer": "adam",
        "select": "last", "gate_learning_rate": 0.001,
    }  # fmt: skip
    assert settings.checked(study.settings) == study.settings
    assert settings.checked(SETTINGS | {"criteria": {}})["criteria"]["learned"] == []


def test_the_order_of_keys_in_an_entry_has_no_meaning(study):
    turned = dict(reversed(GATES.items())) | {"calibration": {"images": 256, "split": "rank"}}
    assert repr(of([turned]).settings) == repr(study.settings)


def test_draws_are_criteria_and_the_same_widths_stand_beside_them_unasked(study):
    assert study.families["gates.mlp"] == ["gates.mlp.0", "gates.mlp.1", "l1.gates.mlp", "taylor_activation.gates.mlp"]
    assert study.families["controls.gates.mlp"] == [f"shuffled.gates.mlp.{draw}" for draw in range(3)]
    assert study.more == ["gates.mlp", "l1.gates.mlp", "taylor_activation.gates.mlp", "shuffled.gates.mlp"]
    assert [*study.learned] == ["gates.mlp.0", "gates.mlp.1"] and [*study.entries] == ["gates.mlp"]
    assert study.line_widths == dict.fromkeys(study.more, {"16": 8, "32": 22})
    # Without a file of scores the study would lack those that stand beside, and that gates start at.
    assert criteria_names.channel_scores(study.settings["criteria"]) == {
        "l1": "criteria.learned", "taylor_activation": "criteria.learned",
    }  # fmt: skip
    assert of([GATES | {"start": "fpgm"}], scores=["l1"]).settings["criteria"]["controls"] is True


def test_a_draw_is_ranked_by_its_own_scores_and_a_score_beside_it_by_its_own_both_at_the_widths(study):
    learned, beside = study.scored["gates.mlp.1"], study.scored["l1.gates.mlp"]
    assert (learned["score"], beside["score"]) == ("gates.mlp.1", "l1")
    assert learned["scope"] == beside["scope"] == "widths" and learned["widths"] == beside["widths"]
    # A unit of several channels has one gate: whatever the study does with other scores.
    options = stage_options.score_ranking(of(unit_score="sum"), "gates.mlp.1")
    assert options["unit_score"] == "max"
    assert stage_options.score_ranking(study, "l1.gates.mlp")["unit_score"] == "sum"
    assert stage_files.scores(study, "gates.mlp.1") == "<network>/statistics/gates.mlp.1.csv"
    assert stage_files.scores(study, "taylor_activation.gates.mlp") == "<network>/statistics/taylor_activation.csv"


def test_learning_depends_on_its_entry_the_network_and_the_whole_schedule_and_on_nothing_else(study):
    options = stage_options.learning(study, "gates.mlp.1")
    assert options["draw"] == 1 and not {"name", "draws", "epochs"} & options["learned"].keys()
    assert options["training"]["epochs"] == 2 and options["training"]["momentum"] == 0.8
    assert "seeds" not in options["training"]
    assert {"model", "seed", "threads", "device", "residual", "linear"} <= options.keys()
    others = (
        of([GATES, GATES | {"name": "gates.other"}]), of([GATES | {"draws": 7}]), of(random=1), of(controls=False),
        of(scores=["l1"]), of(images=9),
    )  # fmt: skip
    for other in others:
        assert stage_options.learning(other, "gates.mlp.1") == options
    for change in ({"model": "static"}, {"widths": {16: 7}}, {"start": "zero"}, {"gate_learning_rate": 1}):
        assert stage_options.learning(of([GATES | change]), "gates.mlp.1") != options
    assert stage_options.learning(study, "gates.mlp.0") != options
    assert stage_options.learning(of(linear="units"), "gates.mlp.1") != options


def test_the_inputs_of_learning_are_those_of_its_start_and_its_calibration(study):
    files = stage_files.learning(study, "gates.mlp.0")
    assert files["start"] == "<network>/statistics/l1.csv" and files["calibration"] == "<images>/rank.h5"
    other = of([GATES | {"start": "zero", "calibration": {"split": "train"}}])
    files = stage_files.learning(other, "gates.mlp.0")
    assert files["start"] == [] and files["calibration"] == "<images>/train.h5"


def test_a_free_budget_has_no_widths_before_it_is_learned():
    study = of([{"name": "gates.free", "budget": "free", "draws": 2}])
    assert study.families["gates.free"] == ["gates.free.0", "gates.free.1"] and study.line_widths == {}
    assert study.scored["gates.free.0"]["scope"] == "global" and "widths" not in study.scored["gates.free.0"]
    # Random channels at the widths that each draw ended with.
    assert stage_files.shuffled(study, "gates.free") == [f"<network>/ranking/gates.free.{draw}.csv" for draw in (0, 1)]
    assert stage_files.shuffled(of(), "gates.mlp") == []


def test_equal_shares_of_all_layers_are_made_where_they_are_asked_for():
    study = of(controls=["gates.mlp", "weight.mean_abs", "l1.gates.mlp"])
    assert study.families["controls.gates.mlp"][3:] == ["uniform.gates.mlp.0", "uniform.gates.mlp.1"]
    assert study.families["controls.l1.gates.mlp"][:2] == ["uniform.l1.gates.mlp", "shuffled.l1.gates.mlp.0"]
    assert study.plainly_controlled == ["weight.mean_abs", "l1.gates.mlp"]
    assert study.families["random"][3:] == [f"uniform.random.{draw}" for draw in range(3)]
    listed = [path for path, _ in paths.written(study.settings)]
    assert len(listed) == len({*listed})
    place = "results/cifar10/resnet20/5"
    assert {
        f"{place}/selection/gates.mlp.1.pt", f"{place}/statistics/gates.mlp.1.csv", f"{place}/ranking/gates.mlp.1.json",
        f"{place}/ranking/controls.gates.mlp.1.json", f"{place}/ranking/shuffled.gates.mlp.json",
        f"{place}/ranking/controls.l1.gates.mlp.json", f"{place}/evaluation/controls.gates.mlp.h5",
        "results/figures/controls.gates.mlp.svg",
    } <= {*listed}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"name": "mlp"},
            'criteria.learned.name: got "mlp", but a learned criterion is named by its kind, a point and',
        ),
        (
            {"model": "mpl"},
            'criteria.learned.model: got "mpl", but a pruning-model is mlp, linear, conv or static, or a',
        ),
        (
            {"model": "nowhere:gate"},
            "criteria.learned.model is nowhere:gate, but there is no module nowhere; looked in",
        ),
        (
            {"widths": None},
            "criteria.learned: gates.mlp has budget: exact, but no widths to meet; give some, as widths",
        ),
        ({"widths": {}}, "criteria.learned: gates.mlp has budget: exact, but no widths to meet"),
        ({"widths": {16: 0}}, "criteria.learned: gates.mlp keeps 0 of layers of 16 units; keep 1 or more"),
        ({"widths": {16.5: 3}}, "has the key 16.5, which YAML reads as no text; write it in quotes"),
        ({"widths": {True: 3}}, "has the key True, which YAML reads as no text; write it in quotes"),
        (
            {"widths": {16: 8.0}},
            "criteria.learned.widths: got 8.0, but it must be a whole number, without a decimal po",
        ),
        (
            {"budget": "free"},
            "criteria.learned: gates.mlp has budget: free, which finds its own widths, but also widths",
        ),
        (
            {"statistics": "running"},
            "gates.mlp has statistics: running, which are those of frozen weights, but weights",
        ),
        (
            {"calibration": {"split": "test"}},
            "gates.mlp has calibration.split: test, the images that are reported; take",
        ),
        ({"start": "l3"}, 'criteria.learned.start is "l3", but must be one of zero, l1, l2, fpgm, bn_scale, taylor,'),
        ({"epochs": 0}, "criteria.learned.epochs: 0 is less than the minimum of 1"),
        ({"epoch": 1}, "unknown key criteria.learned.epoch; did you mean epochs? Known here: name, kind, model"),
    ],
)
def test_a_mistake_in_an_entry_is_one_line(change, message):
    with pytest.raises(Refused) as refused:
        of([GATES | change])
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"learned": [GATES, GATES | {"draws": 1}]},
            "criteria.learned names gates.mlp twice; one entry has as many dra",
        ),
        (
            {"evaluation": {"budget": "macs"}},
            "criteria.learned: gates.mlp has widths, which a level of units meets, but evaluation.budget is macs; take",
        ),
        (
            {"controls": ["gates.mlp.0"]},
            "criteria.controls names gates.mlp.0, a draw of a learned criterion; name all of",
        ),
        ({"controls": ["random.0"]}, "criteria.controls names random.0, which is a control itself; leave it out"),
        (
            {"controls": ["weight.maxx"]},
            "criteria.controls names weight.maxx, which is no criterion of the study; did you mean weight.max?",
        ),
        (
            {"mixtures": [{"name": "gates", "first": "random.0", "second": "weight.max", "deltas": ["0.5"]}]},
            "gates is taken",
        ),
        ({"files": {"gates": "a.csv"}}, "criteria.files: the name gates is taken by another criterion"),
        (
            {"scores": [{"name": "even", "score": "l1", "scope": "widths"}]},
            "criteria.scores: even has scope: widths, but no widths to meet; give some, as widths: {16: 8}",
        ),
        (
            {"scores": [{"name": "even", "score": "l1", "widths": {16: 8}}]},
            "criteria.scores: even has widths, but scope: global; write scope: widths, or leave widths out",
        ),
        (
            {"scores": [{"name": "even", "score": "l1", "scope": "widths", "widths": {16: 8, "16": 9}}]},
            "criteria.scores: even names the width 16 twice, as a number and as text; keep one of them",
        ),
        ({"scope": "widths"}, 'criteria.scope is "widths", but must be one of global, layer, stage'),
    ],
)
def test_a_contradiction_between_settings_is_one_line(changes, message):
    with pytest.raises(Refused) as refused:
        of(**changes)
    assert message in str(refused.value) and "\n" not in str(refused.value)


AFTER_GATES = [{"criterion": "gates.mlp", "kinds": ["continued"]}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 2}, "retraining.epochs is 2, of which the 2 that learn gates.mlp.0 leave none for the kind contin"),
        ({"steps": 2}, "retraining.steps is 2, so that the kind retrained sees as many times the images of retraining"),
        ({"warm_up": 2}, "retraining.warm_up is 2, but the gate phase of gates.mlp.0 leaves 2 of the 4 retraining.epo"),
    ],
)
def test_a_training_after_a_gate_phase_sees_as_many_images_as_others_or_is_refused(change, message):
    retraining = {"criteria": AFTER_GATES, "levels": [0.3], "epochs": 4}
    config = SETTINGS | {"levels": [0.3], "criteria": {"learned": [GATES]}}
    settings.checked(config | {"retraining": retraining})
    with pytest.raises(Refused) as refused:
        settings.checked(config | {"retraining": retraining | change})
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_gate_phase_has_no_warm_up():
    config = SETTINGS | {"training": {"warm_up": 1, "seeds": [5]}, "criteria": {"learned": [GATES]}}
    assert stage_options.learning(Study.of(config), "gates.mlp.0")["training"]["warm_up"] == 0


def test_an_exported_network_is_one_draw():
    config = SETTINGS | {"levels": [0.3], "criteria": {"learned": [GATES]}}
    config["retraining"] = {"criteria": AFTER_GATES, "levels": [0.3], "epochs": 4}
    config["export"] = [{"criterion": "gates.mlp", "level": 0.3, "kind": "continued"}]
    with pytest.raises(Refused, match=r"every draw of it is a network of its own; name one, as gates.mlp.0"):
        settings.checked(config)


def test_gates_cannot_start_at_a_score_that_the_network_lacks():
    config = SETTINGS | {"model": {"name": "vgg16"}, "criteria": {"learned": [GATES | {"start": "bn_scale"}]}}
    with pytest.raises(Refused, match="^criteria.learned names bn_scale, which reads BatchNorm, but vgg16 has none"):
        settings.checked(config)


def test_the_code_of_a_pruning_model_of_the_users_own_is_an_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = [GATES | {"model": "own_gates:make"}]
    (tmp_path / "own_gates.py").write_text("def make(layer):\n    return 1\n")
    before = stage_options.learning(of(own), "gates.mlp.0")["learned"]
    (tmp_path / "own_gates.py").write_text("def make(layer):\n    return 2\n")
    assert stage_options.learning(of(own), "gates.mlp.0")["learned"]["factory"] != before["factory"]
    with pytest.raises(Refused, match="^criteria.learned.model is own_gates:mak, but .* defines no mak; did you mean"):
        of([GATES | {"model": "own_gates:mak"}])


def test_a_learned_criterion_may_be_mixed_and_retrained_by_draw_or_all_at_once():
    mixture = {"name": "both", "first": "gates.mlp.0", "second": "weight.max", "deltas": ["0.5"]}
    study = of(mixtures=[mixture], retraining={"criteria": ["gates.mlp"], "levels": [0.3], "batchnorm": False})
    assert study.families["mixtures"] == ["both.0.5"]
    assert list(study.retrained) == ["gates.mlp.0", "gates.mlp.1", "random.0"]
    assert study.retrained_evaluations == ["random", "gates.mlp"]
    study = of(retraining={"criteria": ["gates.mlp.1"], "levels": [0.3]})
    assert list(study.retrained) == ["gates.mlp.1", "random.0"]
    with pytest.raises(
        Refused, match="^retraining.criteria asks twice for level 0.3 of gates.mlp.1 as batchnorm; name"
    ):
        of(retraining={"criteria": ["gates.mlp", "gates.mlp.1"], "levels": [0.3]})
    with pytest.raises(
        Refused, match="^retraining.criteria names gates.mpl, which is no criterion of the study; did you"
    ):
        of(retraining={"criteria": ["gates.mpl"], "levels": [0.3]})


def test_levels_are_checked_with_widths_and_without_them_as_before(study):
    options = stage_options.levels(study)
    assert options["widths"] == {"criteria.learned: gates.mlp": {"16": 8, "32": 22}} and options["levels"] == [0, 0.3]
    assert study.unforeseen and not of([], residual="units").unforeseen
    assert not {"widths", "levels"} & stage_options.levels(of([])).keys()
