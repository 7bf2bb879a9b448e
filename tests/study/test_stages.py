"""Options and files of the stages, without Snakemake."""

import dataclasses

import pytest

from secateur import Refused
from secateur.study import page_options, recovery_checks, stage_files, stage_options
from secateur.study.study import Study

SETTINGS = {
    "study": "stages",
    "question": "Which?",
    "data": {"source": "digits"},
    "model": {"name": "vgg_small"},
    "training": {"epochs": 2, "seeds": [3, 4]},
    "readings": {
        "relevance": {"shards": 2},
        "summed": {"reduce": "sum", "shards": 2},
        "clean": {"split": "validation"},
    },
    "criteria": {
        "mixing": {"readings": ["relevance"], "alternate_only": ["clean"], "deltas": ["0.5"]},
        "scores": ["l1", {"name": "share", "score": "taylor", "scope": "stage"}],
        "random": 2,
    },
    "levels": [0.5],
    "retraining": {"criteria": ["l1"], "levels": [0.5], "epochs": 1, "scratch_epochs": 5},
    "export": [
        {"criterion": "l1", "level": 0.5},
        {"criterion": "l1", "level": 0.5, "kind": "retrained"},
    ],
}


@pytest.fixture
def study():
    return Study.of(SETTINGS)


def test_a_study_is_frozen_and_names_what_follows_from_its_settings(study):
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.settings = {}
    assert study.title == "vgg_small on digits" and study.seeds == [3, 4]
    assert study.relevance_of == {"relevance": "relevance", "summed": "relevance", "clean": "clean"}
    assert (study.extracted, study.in_shards, study.in_one_piece) == (["clean", "relevance"], ["relevance"], ["clean"])
    assert study.mixed == study.by_delta == ["relevance"]
    assert study.mixed_lists == ["combined.{reading}", "mixed.{reading}.0.5"]
    assert study.evaluation_of("mixed.relevance.0.5") == "mixed.relevance" and study.evaluation_of("share") == "scores"
    assert study.retrained_kinds == ["batchnorm", "retrained", "scratch"]
    cells = [cell.path for cell in study.cells]
    assert "l1/0.5/scratch" in cells and "random.0/0.5/retrained" in cells and len(cells) == 6
    assert study.retrained == {"l1": [0.5], "random.0": [0.5]} and study.retrained_evaluations == ["random", "scores"]
    assert list(study.exported) == ["l1/0.5", "l1/0.5.retrained"]


def test_a_criterion_that_the_study_lacks_is_refused_when_the_study_is_made():
    with pytest.raises(Refused, match="^export names l9, which is no criterion of the study"):
        Study.of(SETTINGS | {"export": [{"criterion": "l9", "level": 0.5}]})


def test_files_follow_from_the_settings(study):
    assert stage_files.relevance(study, "summed") == "<network>/relevance/relevance.h5"
    assert stage_files.shards(study, "relevance") == [
        "<network>/relevance/relevance.shard-0-of-2.h5",
        "<network>/relevance/relevance.shard-1-of-2.h5",
    ]
    assert stage_files.explained_images(study, "clean") == "<images>/validation.h5"
    assert stage_files.scores(study, "share") == "<network>/statistics/taylor.csv"
    assert stage_files.classes("stage") and not stage_files.classes("global")
    assert stage_files.downloaded(study) == stage_files.given_weights(study) == stage_files.linear_units(study) == []
    assert stage_files.mixed_lists(study, "clean")["relevance"] == "<network>/ranking/clean.mean_abs.csv"


def test_an_exported_network_needs_its_evaluation_and_a_retrained_one_its_own_too(study):
    assert stage_files.exported(study, "l1/0.5") == {
        "table": "<network>/evaluation/scores.csv",
        "bits": "<network>/evaluation/scores.h5",
        "manifest": "<network>/evaluation/scores.json",
    }
    retrained = stage_files.exported(study, "l1/0.5.retrained")
    assert retrained["retrained"] == "<network>/retraining/l1/0.5/retrained.pt"
    assert retrained["retrained_bits"] == "<network>/retraining/l1/0.5/retrained.h5"


def test_options_hold_what_a_stage_depends_on_and_no_more(study):
    assert "shards" not in stage_options.reading_choices(study, "relevance")
    assert stage_options.reading_choices(study, "weight") is None
    extraction = stage_options.extraction(study, "summed")["reading"]
    assert not {"shards", "absolute", "reduce"} & set(extraction)
    assert "seeds" not in stage_options.training(study)["training"]
    assert "precision" not in stage_options.evaluation(study, "weight")
    assert "mirror" not in stage_options.images(study)["data"]
    assert stage_options.images(study, "abc")["listing"] == "abc"
    assert stage_options.combined_ranking(study, "clean")["deltas"] == []


def test_recoveries_are_options_and_inputs_of_an_evaluation_only_where_they_are_asked_for(study):
    recovered = Study.of(SETTINGS | {"evaluation": {"recovery": ["none", "batchnorm"]}})
    assert (study.recovered, recovered.recovered) == ([], ["batchnorm"])
    assert stage_files.recovering_images(study) == {}
    assert stage_files.recovering_images(recovered) == {"recovering_train": "<images>/train.h5"}
    both = Study.of(SETTINGS | {"evaluation": {"recovery": ["none", "batchnorm", "reconstructed"]}})
    assert {*stage_files.recovering_images(both)} == {"recovering_train", "recovering_rank"}
    assert stage_files.calibrating_images(both, "reconstructed") == "<images>/rank.h5"
    assert stage_files.calibrating_images(both, "retrained") == []
    calibrated = stage_options.schedule(both, "reconstructed")
    assert stage_options.evaluation(both, "scores")["recoveries"]["reconstructed"] == calibrated
    assert {*calibrated} == {"images", "split", "fit", "target", "batchnorm", "ridge"}
    assert recovery_checks.calibrating(both.settings) == "rank"
    assert recovery_checks.calibrating(recovered.settings) is None
    plain, more = stage_options.evaluation(study, "scores"), stage_options.evaluation(recovered, "scores")
    assert {*plain} == {"criteria", "levels", "terms", "threads", "device"}
    # What re-estimates BatchNorm is what makes the kind of retraining.
    kind = stage_options.retraining(recovered, "weight.mean_abs", "batchnorm", "0.5")
    assert more == plain | {"recoveries": {"batchnorm": kind["training"]}, "seed": kind["seed"]}
    # Networks are chosen as pruning left them, where no verdict asks after recoveries.
    chosen = {"evaluation": recovered.settings["evaluation"] | {"choose_on": "rank"}}
    assert stage_options.choosing(Study.of(recovered.settings | chosen), "scores") == plain
    asked = Study.of(recovered.settings | chosen | {"verdict": {"page": "docs/x.md", "ours": "relevance"}})
    assert stage_options.choosing(asked, "scores") == more and stage_files.choosing_images(recovered) == {}
    assert stage_files.choosing_images(asked) == stage_files.recovering_images(recovered)
    assert "recoveries" not in stage_options.levels(study) and "recovered" not in page_options.verdict(study, {})
    assert stage_options.levels(recovered)["recoveries"] == ["batchnorm"]


def test_each_kind_of_network_has_a_schedule_of_its_own(study):
    assert stage_options.schedule(study, "retrained")["epochs"] == 1
    assert stage_options.schedule(study, "scratch")["epochs"] == 5
    assert set(stage_options.schedule(study, "batchnorm")) == {"batchnorm_images", "batch_size"}
    options = stage_options.retraining(study, "relevance.mean_abs", "retrained", "0.5")
    assert options["level"] == 0.5 and options["training"]["epochs"] == 1


@pytest.mark.parametrize(
    ("criterion", "split"),
    [("clean.mean_abs", "validation"), ("share", "rank"), ("l1", "none"), ("random.0", "none"), ("other", None)],
)
def test_a_criterion_says_which_images_ranked(study, criterion, split):
    assert stage_options.ranked_on(study, criterion) == split


def test_one_job_can_evaluate_all_families_in_their_order(study):
    evaluation = {"choose_on": "rank", "together": True}
    together, apart = (Study.of(SETTINGS | {"evaluation": evaluation | {"together": one}}) for one in (True, False))
    assert together.families == apart.families == apart.evaluated and together.criteria == apart.criteria
    assert together.evaluated == {"all": together.criteria}
    chosen = [criterion for criteria in apart.choosing.values() for criterion in criteria]
    assert together.choosing == {"all": chosen} and "random" not in apart.choosing
    assert stage_options.evaluation(together, "all")["criteria"] == together.criteria
    assert stage_options.choosing(together, "all")["criteria"] == chosen
    assert stage_files.rankings(together.choosing["all"])[0] == f"<network>/ranking/{chosen[0]}.csv"
    assert together.evaluation_of("l1") == together.evaluation_of("random.0") == "all"
    assert together.retrained_evaluations == ["all"] and study.evaluation_of("l1") == "scores"
    assert (together.chance, apart.chance) == ("all", "random")
    assert stage_files.exported_sparse(together, "x", "0.9")["evaluated"] == "<network>/evaluation/all.csv"
    assert Study.of(SETTINGS | {"evaluation": {"together": True}}).choosing == {}
