"""Criteria by cost: their names, what they depend on, and each mistake in one line."""

import re
from pathlib import Path

import pytest

from secateur import Refused
from secateur.study import paths, settings, stage_options
from secateur.study.study import Study

LEAST = {
    "data": {"source": "digits", "size": 16},
    "model": {"name": "vgg_small"},
    "training": {"seeds": [0]},
    "readings": {"relevance": {"per": ["macs"]}},
    "levels": [0.5],
}


def of(criteria=None, **sections):
    return Study.of({**LEAST, "criteria": criteria or {}, **sections})


def test_names_end_in_the_cost_and_plain_rankings_stay_as_they_are():
    study = of({"weights_per": ["parameters"], "scores": ["l2", {"name": "l2.per_macs", "score": "l2", "per": "macs"}]})
    plain = of({"scores": ["l2"]}, readings={"relevance": {}})
    family = study.families["relevance"]
    assert family[: len(family) // 2] == plain.families["relevance"]
    assert [name.removesuffix(".per_macs") for name in family[len(family) // 2 :]] == plain.families["relevance"]
    assert study.families["weight"][-1] == "weight.min_abs.per_parameters"
    assert study.families["scores"] == ["l2", "l2.per_macs"] and study.scored["l2.per_macs"]["per"] == "macs"
    assert "per" not in study.scored["l2"]
    assert study.costed == ["relevance.per_macs", "weight.per_parameters"]
    for source in ("relevance", "weight"):
        assert stage_options.statistics_ranking(study, source) == stage_options.statistics_ranking(plain, source)
    assert stage_options.statistics_ranking(study, "relevance", "macs")["per"] == "macs"
    assert {"relevance.mean_abs.per_macs", "weight.mean_abs.per_parameters"} <= {*study.more}
    assert settings.checked(study.settings) == study.settings
    written = [path for path, _ in paths.written(study.settings)]
    assert "results/digits/vgg_small/0/ranking/relevance.per_macs.json" in written and len(written) == len({*written})


def test_the_split_that_ranks_is_that_of_the_reading():
    study = of({"scores": [{"name": "t.per_macs", "score": "taylor", "per": "macs"}]})
    assert stage_options.ranked_on(study, "relevance.mean_abs.per_macs") == study.readings["relevance"]["split"]
    assert stage_options.ranked_on(study, "t.per_macs") == "rank"


def test_files_are_ranked_by_cost_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("layer,channel,score\nfeatures.0,0,1\n")
    study = of({"files": {"mine": "mine.csv"}, "files_per": ["macs", "parameters"]})
    names = ["mine", "mine.per_macs", "mine.per_parameters"]
    assert study.families["files"] == names and study.files == dict.fromkeys(names, "mine.csv")
    assert stage_options.file_ranking(study, "mine.per_macs", "0")["per"] == "macs"
    assert "per" not in stage_options.file_ranking(study, "mine", "0")


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (
            {"name": "l2", "score": "l2", "per": "macs"},
            "l2 has per: macs; the name of a score that is divided by a cost ",
        ),
        (
            {"name": "l2.per_macs", "score": "l2"},
            "l2.per_macs has no per; the name of a score that is divided by a cost",
        ),
        ({"name": "l2.per_macs", "score": "l2", "per": "parameters"}, "write name:"),
        ({"name": "l2.per_macs", "score": "l2", "per": "flops"}, 'per is "flops", but must be one of parameters, macs'),
    ],
)
def test_a_name_that_does_not_fit_is_one_line(score, message):
    with pytest.raises(Refused, match=re.escape(message)) as refused:
        of({"scores": [score]})
    assert "\n" not in str(refused.value)


def test_the_calibration_is_never_on_reported_images():
    config = of(evaluation={"recovery": ["none", "reconstructed"]}).settings
    assert config["recovery"]["images"] == 500 and config["recovery"]["split"] == "rank"
    with pytest.raises(Refused, match='recovery.split is "test", but must be one of rank, train'):
        of(recovery={"split": "test"})
    with pytest.raises(Refused, match="recovery.steps: 120 is not a multiple of 50"):
        of(recovery={"steps": 120})
    with pytest.raises(Refused, match="recovery.images: 0 is less than the minimum of 2"):
        of(recovery={"images": 0})
    with pytest.raises(Refused, match='is "distilled", but must be one of none, batchnorm, reconstructed'):
        of(evaluation={"recovery": ["none", "distilled"]})
