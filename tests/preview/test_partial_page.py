"""The page of a study that is half done: of what is there, like beside like, and nothing of the study is touched."""

import re
import shutil
from pathlib import Path

import pandas
import pytest
import yaml

from secateur import Refused, console
from secateur.artifacts import tables
from secateur.preview import job_states, partial_page, study_jobs
from secateur.study.study import Study
from support.studies import TINY

STUDY = Study.of(yaml.safe_load(TINY) | {"verdict": None})
FAMILIES = list(STUDY.evaluated)


def complete(*lacking):
    """What each of three networks has: everything but some evaluations."""
    return dict(enumerate([name for name in FAMILIES if name not in lacks] for lacks in lacking))


@pytest.fixture
def three():
    return Study.of(yaml.safe_load(TINY) | {"training": STUDY.settings["training"] | {"seeds": [0, 1, 2]}})


def test_every_network_that_is_shown_has_everything_that_is_shown(three):
    """The set of evaluations that shows most, by its criteria times its networks; then the one of more networks."""
    assert partial_page.alike(three, complete((), (), FAMILIES)) == ([0, 1], FAMILIES)
    one_less = [name for name in FAMILIES if name != "thesis"]
    assert partial_page.alike(three, complete((), ("thesis",), ("thesis",))) == ([0, 1, 2], one_less)
    few = [name for name in FAMILIES if name not in ("random", "weight")]
    assert partial_page.alike(three, complete((), few, few)) == ([0], FAMILIES)
    # Networks that lack different families are compared by those that all have.
    both = [name for name in one_less if name != "relevance"]
    assert partial_page.alike(three, complete(("thesis",), ("relevance",), ())) == ([0, 1, 2], both)


def test_a_network_without_chance_is_not_compared(three):
    assert partial_page.alike(three, complete(("random",), (), FAMILIES))[0] == [1]


def test_what_cannot_be_shown_yet_is_told_by_its_cause_with_the_folder_that_was_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match=f"^there is no folder {tmp_path}/results; go to the folder in which .*snakemake"):
        partial_page.write(STUDY)
    Path("results").mkdir()
    with pytest.raises(Refused, match=f"^the study has not begun: {tmp_path}/results has no file of it; .*snakemake"):
        partial_page.write(STUDY)
    jobs, told = study_jobs.needed(STUDY), {}
    for name in (job_states.OUTDATED, job_states.FAILED):
        states = []
        for job in jobs:
            chance = (job.rule, job.name) == ("evaluate_pruning", "random")
            states.append(job_states.State(job, name if chance else job_states.DONE))
        told[name] = partial_page._nothing(STUDY, states, Path("results"))
        assert str(tmp_path / "results") in told[name] and "snakemake --cores all all" in told[name]
    assert told[job_states.OUTDATED].startswith("the evaluations of chance in ")
    assert told[job_states.FAILED].startswith("nothing can be shown yet: of no network in ")


def test_results_of_other_settings_without_records_have_no_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = Study.of(yaml.safe_load(TINY) | {"verdict": None, "levels": [0.25]})
    Path("results").mkdir()
    Path("results/settings.yaml").write_text(yaml.safe_dump(dict(other.settings)))
    with pytest.raises(Refused, match=r"^results/settings.yaml is of other settings than the study \(levels\), and "):
        partial_page.write(STUDY)


def test_a_network_is_said_to_lack_only_what_it_lacks():
    done = {("evaluate_pruning", name, 0): None for name in FAMILIES}
    done |= {("evaluate_choosing", name, 0): None for name in STUDY.choosing}
    assert {"weight", "relevance"} <= {*STUDY.choosing} and STUDY.choosing.get("random") is None
    lacking = {("evaluate_pruning", "random"), ("evaluate_pruning", "weight"), ("evaluate_choosing", "relevance")}
    left = {job: None for job in done if job[:2] not in lacking}
    for names, images in {
        ("relevance",): "validation images",
        ("weight", "random"): "test images",
        ("relevance", "weight"): "test and validation images",
    }.items():
        assert partial_page._images_without(STUDY, left, 0, names) == images


def test_a_criterion_that_is_chosen_counts_when_both_its_evaluations_are_there():
    done = {("evaluate_pruning", name, seed): None for name in FAMILIES for seed in STUDY.seeds}
    # Chance and controls are never chosen.
    never = [name for name in FAMILIES if name not in STUDY.choosing]
    assert "random" in never
    assert partial_page.complete_of(STUDY, done) == {0: never, 1: never}
    done[("evaluate_choosing", "weight", 1)] = None
    assert set(partial_page.complete_of(STUDY, done)[1]) == {*never, "weight"}


def test_jobs_that_failed_are_named():
    ranking = next(job for job in study_jobs.needed(STUDY) if job.rule == "rank_by_statistic" and job.seed == 1)
    states = [job_states.State(ranking, job_states.FAILED), job_states.State(ranking, job_states.WAITING)]
    (sentence,) = partial_page._failed(states)
    assert f"<b>Failed</b>: rank_by_statistic {ranking.name}, network 1; " in sentence
    assert list(partial_page._failed(states[1:])) == []


# ---- on a study that was run -----------------------------------------------------------------------------------


@pytest.fixture
def half(tiny_study, tmp_path, monkeypatch):
    """A copy of the small study, as if its tables and figures were not made yet."""
    copy = tiny_study.copied(tmp_path / "copy").folder
    for folder in ("tables", "figures"):
        shutil.rmtree(copy / "results" / folder)
    monkeypatch.chdir(copy)
    return copy


def files_of(folder):
    """{file: when it was written and how long it is} of all but the partial page."""
    found = {}
    for path in folder.rglob("*"):
        if path.parts[-2] != partial_page.FOLDER and path.is_file():
            found[path] = (path.stat().st_mtime_ns, path.stat().st_size)
    return found


def said(capsys, status=0):
    assert console.main(["page", "config/config.yaml"]) == status
    output, errors = capsys.readouterr()
    return errors if status else output


@pytest.mark.study
def test_with_every_evaluation_the_tables_and_the_numbers_are_those_of_the_finished_study(half, tiny_study, capsys):
    before = files_of(half)
    text = said(capsys)
    assert text.startswith("Wrote results/partial/study.html\nThe study is not finished: ")
    assert files_of(half) == before
    finished = tiny_study.folder / "results"
    for name in ("evaluations.csv", "curves.csv"):
        assert (half / "results/partial" / name).read_bytes() == (finished / "tables" / name).read_bytes()
    page = (half / "results/partial/study.html").read_text()
    assert "<h1>tiny (not finished)</h1>" in page and "Shown are all networks (2 networks)" in page
    assert page.index("The study is not finished") < page.index('class="answer"')
    # From the accuracies on, the pages are one but for the verdicts and what is looked at, which are not there yet.
    whole = (finished / "figures/study.html").read_text()
    parts = [text[text.index('<section id="accuracy">') :] for text in (page, whole)]
    # The time that jobs took is that of the finished study's.
    expected = re.sub(r'<section id="(?:verdicts|looks)">.*?</section>\n', "", parts[1], flags=re.S)
    expected = re.sub(r"<details><summary>\d+ jobs took.*?</details>", "", expected, flags=re.S)
    # Digests stand in the description of a finished study alone.
    assert parts[0] == re.sub("<tr><td>images and networks</td>.*?</tr>", "", expected)
    assert "their digests" in whole and "their digests" not in page


@pytest.mark.study
def test_what_one_network_lacks_is_left_out_of_all_means_and_named(half, capsys):
    evaluations = half / "results/digits/vgg_small/1/evaluation"
    (evaluations / "thesis.csv").unlink()
    (evaluations / "choosing/mixed.relevance.csv").unlink()
    text = said(capsys)
    assert "Shown are all networks (2 networks)" in text
    assert "`thesis` (2 criteria), evaluated on test and validation images for training seed 0 alone." in text
    assert "Not shown: `mixed.relevance` (" in text
    curves = tables.read(half / "results/partial/curves.csv")
    assert not curves["criterion"].str.startswith(("thesis", "mixed.relevance")).any()
    assert set(curves["seeds"]) == {2}
    page = (half / "results/partial/study.html").read_text()
    assert page.index("for training seed 0 alone") < page.index('class="answer"')
    assert 'data-c="thesis.mean_abs"' not in page and 'data-c="relevance.mean_abs"' in page


@pytest.mark.study
def test_one_network_of_two_has_intervals_over_its_images(half, capsys):
    shutil.rmtree(half / "results/digits/vgg_small/1/evaluation")
    text = said(capsys)
    assert "Shown is 1 network of 2, with training seed 0: means, differences and intervals speak of this one" in text
    assert "the network with training seed 1, which lacks the evaluation of `relevance`, " in text
    page = (half / "results/partial/study.html").read_text()
    again = page[page.index('<section id="again">') :]
    assert re.search(r"training seeds</t[hd]>\s*<td[^>]*>0<", again)
    assert "All is of one network" in page and "speak of this one network" in page
    curves = pandas.read_csv(half / "results/partial/curves.csv")
    own = pandas.read_csv(half / "results/digits/vgg_small/0/evaluation/weight.csv")
    keys = ["keep_at_least", "criterion", "recovery", "level"]
    both = own.merge(curves, on=keys, suffixes=("", "_mean"))
    assert len(both) == len(own) and both["accuracy"].tolist() == pytest.approx(both["accuracy_mean"].tolist())
    assert set(curves["seeds"]) == {1} and curves["accuracy_low"].notna().any()


@pytest.mark.study
def test_without_an_evaluation_of_chance_one_line_says_so_and_nothing_is_written(half, capsys):
    for seed in (0, 1):
        (half / f"results/digits/vgg_small/{seed}/evaluation/random.csv").unlink()
    before = files_of(half)
    assert said(capsys, status=1) == (
        f"secateur page: config/config.yaml: nothing can be shown yet: of no network in {half / 'results'} chance is "
        "evaluated, with which all is compared (the evaluation `random` on test images); run the study on: snakemake "
        "--cores all all --configfile FILE\n"
    )
    assert files_of(half) == before and not Path("results/partial").exists()


@pytest.mark.study
def test_a_finished_study_is_told_to_have_its_page(tiny_study, monkeypatch, capsys):
    monkeypatch.chdir(tiny_study.folder)
    assert "the study is finished: its page is results/figures/study.html\n" in said(capsys, status=1)
    assert not Path("results/partial").exists()
