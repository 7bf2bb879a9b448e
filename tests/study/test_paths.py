"""Every file that a study writes: listed from its settings, and no two names meet in one."""

import copy
import os
from pathlib import Path

import pytest
import yaml

from secateur.study import consistency, paths, settings
from support.studies import ROOT, Workflow


def assert_said(message, check, config):
    """A check passes, or refuses with this message in its one line."""
    if message is None:
        check(config)
        return
    with pytest.raises(ValueError) as caught:
        check(config)
    assert message in str(caught.value)


WHOLE = {
    "data": {"source": "digits", "size": 16},
    "model": {"name": "vgg_small"},
    "training": {"seeds": [0, 1]},
    "readings": {"relevance": {}, "thesis": {"at": "next_input", "shards": 2}},
    "criteria": {
        "scores": ["l1", {"name": "share", "score": "taylor", "normalise": "layer_share"}],
        "scope": "stage",
        "mixtures": [{"name": "both", "first": "l1", "second": "share", "deltas": ["0.5"]}],
        "learned": [{"name": "gates.free", "budget": "free", "epochs": 1, "draws": 2}],
        "controls": ["relevance.mean_abs", "weight.mean_abs", "thesis.mean_abs", "both.0.5", "mine"],
    },
    "retraining": {"criteria": ["l1", {"criterion": "mine", "kinds": ["scratch", "sign+dist"]}], "levels": [0.5]},
    "tickets": {"sparsity": [0.9], "rounds": 2, "rewind": 1, "kinds": ["sign+dist"]},
    "export": [{"criterion": "l1", "level": 0.5}, {"criterion": "l1", "level": 0.5, "kind": "retrained"}],
    "levels": [0, 0.5],
    "sparsity": {
        "levels": [0.9, 0.98],
        "variants": {"feather": {}, "half": {"drop": 0.5, "levels": [0.9]}},
        "export": [{"variant": "half", "level": 0.9}],
    },
    "evaluation": {"choose_on": "rank", "budget": "macs", "keep_at_least": [0, 0.1], "recovery": ["none", "batchnorm"]},
    "verdict": {"page": "results/verdict.md", "ours": "relevance"},
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Every kind of file in one study, the user's own ranking too."""
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("layer,channel\nfeatures.0,0\n")
    config = copy.deepcopy(WHOLE)
    config["criteria"]["files"] = {"mine": "mine.csv"}
    return settings.checked(config)


def test_no_two_files_of_a_whole_study_are_one(study):
    listed = [path for path, _ in paths.written(study)]
    assert len(listed) == len({*listed})
    paths.refuse_meeting(study)
    network = "results/digits/vgg_small/0"
    assert {
        "results/digits/images/rank.h5",
        f"{network}/training/trained.pt",
        f"{network}/relevance/thesis.shard-1-of-2.h5",
        f"{network}/statistics/relevance.by_class.csv",
        f"{network}/statistics/taylor.csv",
        f"{network}/ranking/share.csv",
        f"{network}/ranking/mine.json",
        f"{network}/ranking/both.0.5.csv",
        f"{network}/ranking/shuffled.thesis.mean_abs.0.csv",
        f"{network}/evaluation/choosing/mixed.thesis.part2.csv",
        f"{network}/ranking/shuffled.both.0.5.0.csv",
        f"{network}/ranking/controls.mine.json",
        f"{network}/retraining/l1/0.5/scratch.pt",
        f"{network}/retraining/mine/0.5/scratch.pt",
        f"{network}/tickets/rewound.pt",
        f"{network}/tickets/1/original/network.pt",
        f"{network}/tickets/2/sign+dist/network.csv",
        f"{network}/export/l1/0.5.retrained/model.onnx",
        "results/figures/controls.weight.mean_abs.svg",
        "results/figures/controls.both.0.5.html",
        "results/tables/curves.csv",
        "results/verdict.md",
    } <= {*listed}


def renamed(study, kind, old, new):
    """The study with a reading, score, mixture or file of another name, which `consistency` may not allow."""
    config = copy.deepcopy(study)
    if kind == "readings":
        config["readings"][new] = config["readings"].pop(old)
        mixing = config["criteria"]["mixing"]
        mixing["readings"] = [new if name == old else name for name in mixing["readings"]]
    elif kind == "files":
        config["criteria"]["files"][new] = config["criteria"]["files"].pop(old)
    else:
        for one in config["criteria"][kind]:
            one["name"] = new if one["name"] == old else one["name"]
    config["criteria"]["controls"] = [name.replace(old, new) for name in config["criteria"]["controls"]]
    return config


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("readings", "thesis", "taylor", "readings.taylor and criteria.scores: the score taylor would both write"),
        (
            "readings",
            "thesis",
            "weight",
            "readings.weight and criteria.weights would both write .*statistics/weight.csv",
        ),
        ("readings", "thesis", "l1", "readings.l1 and criteria.scores: the score l1 would both write"),
        ("readings", "thesis", "random", "readings.random and criteria.random would both write .*ranking/random.json"),
        ("scores", "share", "thesis", "would both write .*ranking/thesis.json; rename one of them$"),
        ("files", "mine", "random", "would both write .*ranking/random.json; rename one of them$"),
        ("files", "mine", "share", "would both write .*ranking/share.csv; rename one of them$"),
        ("mixtures", "both", "mixed.thesis", "would both write .*ranking/mixed.thesis.0.5.csv; rename one of them$"),
        ("scores", "share", "both.0.5", "would both write .*ranking/both.0.5.csv; rename one of them$"),
    ],
)
def test_two_names_that_meet_in_one_file_are_refused(study, kind, old, new, message):
    with pytest.raises(ValueError, match=message):
        paths.refuse_meeting(renamed(study, kind, old, new))


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (
            "results/digits/vgg_small/1/export/l1/0.5/README.md",
            "export and verdict.page would both write results/digits/",
        ),
        (
            "results/report.html/verdict.md",
            "the study's pages would write the file results/report.html, where verdict.page",
        ),
        ("results/tables/../verdict.md", None),
        (
            "results/verdict.html",
            "verdict.page is results/verdict.html, which is no Markdown; give a file ending in .md",
        ),
        ("verdict{seed}.md", "verdict.page is 'verdict{seed}.md', in which Snakemake takes braces and angle brackets"),
    ],
)
def test_the_verdicts_page_is_a_page_of_its_own(study, page, message):
    config = study | {"verdict": study["verdict"] | {"page": page}}
    assert_said(message, paths.check, config)


@pytest.mark.parametrize(
    ("data", "model", "message"),
    [
        (
            "report.html",
            "net",
            "the study's pages would write the file results/report.html, where data.name report.html need",
        ),
        (
            "tables",
            "curves.csv",
            "would write the file results/tables/curves.csv, where data.name tables, model.name curv",
        ),
        (
            "figures",
            "stability.svg",
            "would write the file results/figures/stability.svg, where data.name figures, mod",
        ),
        ("tables", "net", None),
    ],
)
def test_names_of_images_and_networks_are_folders_where_no_file_is(study, data, model, message):
    config = study | {"data": study["data"] | {"name": data}, "model": study["model"] | {"name": model}}
    assert_said(message, paths.refuse_meeting, config)


def test_a_file_that_is_no_verdict_page_is_not_written_over(study):
    config = study | {"verdict": study["verdict"] | {"page": "notes.md"}}
    Path("notes.md").write_text("# My notes\n")
    with pytest.raises(ValueError, match="^verdict.page is notes.md, a file that is there and is no verdict page, and"):
        settings.checked(config)
    Path("notes.md").write_text((ROOT / "docs" / "thesis.md").read_text(encoding="utf-8"))
    settings.checked(config)
    Path("folder.md").mkdir()
    with pytest.raises(ValueError, match="^verdict.page is folder.md, which is a folder; name a file$"):
        settings.checked(study | {"verdict": study["verdict"] | {"page": "folder.md"}})


def test_weights_and_own_files_have_no_names_to_fill_in(study):
    Path("w{x}.pt").write_text("")
    with pytest.raises(ValueError, match=r"^model.weights is 'w\{x\}.pt', in which Snakemake takes braces"):
        paths.check(study | {"model": study["model"] | {"weights": "w{x}.pt"}})
    with pytest.raises(ValueError, match=r"^criteria.files.mine is 'a\{y\}0.csv', in which Snakemake takes braces"):
        criteria = study["criteria"] | {"files": {"mine": "a{y}{seed}.csv"}}
        paths.check(study | {"criteria": criteria})


def test_results_are_no_file_and_lie_in_none(study):
    for results in ("mine.csv", "mine.csv/results", "dangling"):
        if results == "dangling":
            Path(results).symlink_to("nowhere")
        with pytest.raises(ValueError, match=rf"^results is {results}, but .* is no folder that can be written to"):
            paths.refuse_occupied(results)
    paths.refuse_occupied("new/folder")


def test_names_of_readings_are_those_of_no_score_and_no_statistic():
    known = settings.schema()["properties"]["criteria"]["properties"]
    assert {*known["statistics"]["items"]["enum"], *known["scores"]["items"]["properties"]["score"]["enum"]} <= {
        *consistency.NO_READING
    }


@pytest.mark.study
def test_the_files_that_are_listed_are_those_of_the_rules(study, tmp_path):
    workflow = Workflow(tmp_path / "study", yaml.safe_dump(study))
    (workflow.folder / "mine.csv").write_text(Path("mine.csv").read_text())
    rows = [line.split("\t") for line in workflow.run("--summary", "all", "report", "check").splitlines()]
    made = {os.path.normpath(row[0]) for row in rows if len(row) > 2} - {"output_file"}
    listed = {os.path.normpath(path) for path, _ in paths.written(study)}
    assert len(made) > 200
    # The store of plans is a folder that evaluations share.
    assert listed ^ made == {f"results/digits/vgg_small/{seed}/evaluation/plans/of-all-families" for seed in (0, 1)}
