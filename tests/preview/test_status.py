"""How far a study is: by what is there, what Snakemake noted, and which processes run; nothing is written."""

import base64
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import pytest
import yaml

from secateur import console
from secateur.artifacts import ledgers, processes
from secateur.jobs import records
from secateur.preview import job_states, status_rows, study_jobs
from secateur.study import study_file
from secateur.study.study import Study
from support.studies import ROOT, TINY

SMALL = yaml.safe_load(TINY) | {"verdict": None, "evaluation": {}}
HEADER = "criterion,recovery,budget,keep_at_least,level,accuracy\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SECATEUR_DATA", raising=False)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(SMALL))
    return tmp_path


@pytest.fixture
def said(folder, capsys):
    """Run the command on the study, or on another one, and give back its output."""

    def run(settings=SMALL, status=0):
        (folder / "study.yaml").write_text(yaml.safe_dump(settings))
        assert console.main(["status", "study.yaml"]) == status
        output, errors = capsys.readouterr()
        return errors if status else output

    return run


@functools.cache
def jobs():
    """The jobs of the small study."""
    return study_jobs.needed(Study.of(SMALL))


def job(rule, name="", seed=None):
    """One job of the small study."""
    return next(each for each in jobs() if (each.rule, each.name, each.seed) == (rule, name, seed))


def content(path):
    """What a file of this kind can hold, whole."""
    if "evaluation/" in path and path.endswith(".csv"):
        return (HEADER + "random.0,none,units,0,0,0.9\nrandom.0,none,units,0,0.5,0.25\n").encode()
    return whole(Path(path).suffix)


@functools.cache
def whole(kind):
    file = io.BytesIO()
    if kind == ".h5":
        with h5py.File(file, "w") as written:
            written["x"] = range(100)
    elif kind == ".pt":
        with zipfile.ZipFile(file, "w") as written:
            written.writestr("x", "weights")
    else:
        return b"{}\n"
    return file.getvalue()


def note(kind, path, facts):
    """A record of Snakemake on a file."""
    record = Path(".snakemake", kind, base64.urlsafe_b64encode(path.encode()).decode())
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(facts))
    return record


def finish(each, seconds=10.0):
    """Leave what a finished job leaves."""
    for path in each.outputs:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content(path))
        # All of one time, which is long ago: marks of this test are younger.
        os.utime(path, (1e9, 1e9))
        options = [] if each.options is None else [repr(each.options())]
        note("metadata", path, {"params": options, "starttime": 1e9 - seconds, "endtime": 1e9})


def begin(each, log="2026-01-01 12:00:00,000 training: 3 of 30 epochs, 1 epochs/s, 27 s left\n"):
    """Leave what a job leaves that has begun and not ended."""
    for path in each.outputs:
        note("incomplete", path, {"external_jobid": None})
    if log:
        Path(each.log).parent.mkdir(parents=True, exist_ok=True)
        Path(each.log).write_text(log)


def run_here(name=None):
    """Note a run of Snakemake that began a minute ago: by default this process, which runs."""
    path = Path(".snakemake", "secateur_runs", f"{name or processes.identity()}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"host": "host", "process": 7, "began": "2026-01-01 12:00:00"}))
    os.utime(path, (time.time() - 60,) * 2)


def state(each):
    found = job_states.states(jobs(), records.runs())
    return next(one for one in found if one.job == each)


def row(text, *first):
    """The cells of a row of the table, without the words that it begins with."""
    lines = (line.split() for line in text.splitlines())
    return next(line[len(first) :] for line in lines if tuple(line[: len(first)]) == first)


def test_a_folder_without_results_has_everything_waiting(said):
    text = said()
    assert text.startswith(f"Study tiny has not begun: 0 of {len(jobs())} jobs are done; nothing runs\n")
    assert row(text, "network", "criteria") == [
        *("images", "training", "units", "relevance", "statistics", "ranking", "evaluation", "tables", "figures"),
    ]
    assert row(text, "0", "relevance") == ["waiting"] * 7 + ["-"] * 2
    assert row(text, "1", "random") == [*["waiting"] * 3, "-", "-", "waiting", "waiting", "-", "-"]
    assert row(text, "all", "networks") == ["waiting", *["-"] * 6, "waiting", "waiting"]
    assert "Time left: not known, because none of these has finished here: " in text
    assert "Accuracy" not in text and "Words" not in text


def test_a_finished_study_says_so_and_has_its_accuracies(said):
    for each in jobs():
        finish(each)
    text = said()
    assert text.startswith(f"Study tiny is finished: {len(jobs())} of {len(jobs())} jobs are done\n\n")
    assert "waiting" not in text and "Time left" not in text
    assert row(text, "criterion", "networks") == ["dense", "0.5"]
    assert row(text, "random") == ["2", "90.0", "25.0"]
    assert "could not be compared for 1 job. Whether" in " ".join(text.split())


def test_parts_of_a_study_are_counted_and_the_time_left_is_that_of_like_jobs(said):
    for each in jobs():
        if each.stage in ("images", "training", "units") or each.rule == "rank_at_random":
            finish(each)
    finish(job("rank_by_statistic", "weight", 0))
    finish(job("evaluate_pruning", "random", 0), seconds=100)
    text = said()
    assert row(text, "0", "random") == ["done", "done", "done", "-", "-", "done", "done", "-", "-"]
    assert row(text, "1", "random") == ["done", "done", "done", "-", "-", "done", "waiting", "-", "-"]
    assert row(text, "0", "mixed.relevance")[5] == "1/3"
    total, count, unknown = job_states.left(job_states.states(jobs(), []))
    waiting = [each.job.rule for each in job_states.states(jobs(), []) if each.name == "waiting"]
    assert total == 100 * waiting.count("evaluate_pruning") + 10 * waiting.count("rank_by_statistic")
    assert count + len(unknown) == len(waiting)
    assert len(unknown) == len(waiting) - waiting.count("evaluate_pruning") - waiting.count("rank_by_statistic")
    assert "Time left: more than " in text and "of the other " in text


def test_a_job_runs_only_while_its_snakemake_does(said):
    training = job("train_model", "", 0)
    begin(training)
    assert state(training).name == "interrupted"
    run_here()
    text = said()
    assert text.startswith("Study tiny runs: ") and "1 at work (process 7, since 2026-01-01 12:00:00)" in text
    assert row(text, "0", "weight")[1] == "running" and row(text, "1", "weight")[1] == "waiting"
    assert "train_model, network 0: training: 3 of 30 epochs, 1 epochs/s, 27 s left" in text
    assert job_states.left([state(training)]) == (27.0, 1, [])
    # A run that began after the job was killed is not at work on it.
    for path in training.outputs:
        os.utime(note("incomplete", path, {}), (time.time() - 120,) * 2)
    assert state(training).name == "interrupted"
    assert "interrupted: the job was started, has not ended" in said()


def test_a_run_that_has_ended_or_is_elsewhere_is_not_seen_at_work(said):
    training = job("train_model", "", 0)
    begin(training)
    machine, process, started = processes.identity().split("-")
    run_here(f"{machine}-{process}-{int(started) + 1}")
    assert state(training).name == "interrupted"
    run_here("01234567-1-1")
    assert state(training).name == "elsewhere"
    assert "it may run on another machine, which cannot be seen here (process 7 on host," in said()


def test_a_job_without_a_log_of_its_own_is_submitted(folder):
    training = job("train_model", "", 0)
    begin(training, log="")
    run_here()
    assert state(training).name == "submitted"
    begin(training)
    os.utime(training.log, (1e9, 1e9))
    assert state(training).name == "submitted"


def test_a_job_that_failed_is_named_with_its_log(said):
    training = job("train_model", "", 0)
    begin(training, log="2026-01-01 12:00:00,000 train_model failed\nTraceback\n2026-01-01 12:00:01,000 Refused: no\n")
    for mark in Path(".snakemake/incomplete").iterdir():
        mark.unlink()
    text = said()
    assert row(text, "0", "weight")[1] == "failed"
    assert f"failed: train_model, network 0: Refused: no ({training.log})" in text


@pytest.mark.parametrize("end", [".csv", ".pt", ".h5"])
def test_a_file_that_is_cut_short_is_not_done(said, end):
    for each in jobs():
        finish(each)
    path = next(path for each in jobs() for path in each.outputs if path.endswith(end))
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    os.utime(path, (1e9, 1e9))
    text = said()
    assert " is not finished: " in text and f": {path}" in text
    assert "damaged: a file is cut short" in text


def test_a_small_file_that_was_edited_is_not_done(folder):
    for each in jobs():
        finish(each)
    evaluated = job("evaluate_pruning", "random", 0)
    ledgers.note(evaluated.outputs)
    assert state(evaluated).name == "done"
    table = Path(evaluated.outputs[0])
    table.write_text(table.read_text().replace("0.9", "0.8"))
    assert state(evaluated).name == "damaged"


def test_files_of_other_settings_and_what_follows_from_them_are_not_done(folder):
    for each in jobs():
        finish(each)
    changed = Study.of(SMALL | {"criteria": SMALL["criteria"] | {"random": 1}})
    found = job_states.states(study_jobs.needed(changed), [])
    outdated = {each.job.rule for each in found if each.name == "outdated"}
    assert {"rank_at_random", "rank_controls"} & outdated == {"rank_at_random"}
    assert {"evaluate_pruning", "collect_evaluations", "plot_strategies"} <= outdated
    assert {each.name for each in found if each.job.rule == "train_model"} == {"done"}


def test_files_older_than_what_they_are_made_from_are_not_done(folder):
    for each in jobs():
        finish(each)
    os.utime(job("train_model", "", 0).outputs[1])
    found = {(each.job.rule, each.job.name, each.job.seed): each.name for each in job_states.states(jobs(), [])}
    assert found["train_model", "", 0] == "done"
    assert found["summarise_weights", "weight", 0] == found["rank_by_statistic", "weight", 0] == "outdated"
    assert found["summarise_weights", "weight", 1] == found["rank_at_random", "", 0] == "done"


def test_files_that_nothing_reads_any_more_are_not_missed(said):
    for each in jobs():
        finish(each)
    extraction = job("extract_relevance", "relevance", 0)
    Path(extraction.outputs[0]).unlink()
    assert " is finished: " in said()
    Path(job("summarise_relevance", "relevance", 0).outputs[0]).unlink()
    Path(job("rank_by_statistic", "relevance", 0).outputs[0]).unlink()
    Path(job("evaluate_pruning", "relevance", 0).outputs[0]).unlink()
    Path("results/tables/curves.csv").unlink()
    Path("results/tables/accuracy.html").unlink()
    assert state(extraction).name == "waiting"


def test_without_records_the_words_say_that_settings_were_not_compared(said):
    for each in jobs():
        finish(each)
    for path in Path(".snakemake/metadata").iterdir():
        path.unlink()
    assert f"which could not be compared for {len(jobs())} jobs" in " ".join(said().split())


def copied_without_records(settings):
    """Leave a finished study of the settings, as after a copy of its results alone."""
    for each in jobs():
        finish(each)
    Path("results/settings.yaml").write_text(yaml.safe_dump(dict(Study.of(settings).settings)))
    os.utime("results/settings.yaml", (1e9, 1e9))
    shutil.rmtree(".snakemake")


def test_results_of_other_settings_without_records_are_not_finished(said):
    copied_without_records(SMALL)
    changed = SMALL | {"training": SMALL["training"] | {"seeds": [0, 1, 2], "epochs": 3}}
    text = said(changed)
    words = " ".join(text.split())
    assert text.startswith("Study tiny is not finished: 0 of ")
    assert "results/settings.yaml is of other settings than the study (training.epochs, training.seeds), and" in words
    assert "make them all again: snakemake --cores all all --forceall --configfile FILE" in words
    assert row(text, "1", "weight") == ["unknown"] * 3 + ["-"] + ["unknown"] * 3 + ["-"] * 2
    assert row(text, "2", "weight")[1] == "waiting" and "unknown: the files are there, but" in words
    # What the title alone says is not computed again.
    words = " ".join(said(SMALL | {"question": "Why?"}).split())
    assert "than the study (question), and" in words and "all --forcerun write_settings --configfile FILE" in words


def test_results_of_equal_settings_or_with_their_record_are_judged_as_before(said):
    copied_without_records(SMALL)
    assert " is finished: " in said() and " is finished: " in said(SMALL | {"results": "./results"})
    changed = SMALL | {"training": SMALL["training"] | {"epochs": 3}}
    settings = job("write_settings")
    note("metadata", settings.outputs[0], {"params": [repr(settings.options())]})
    text = said(changed)
    assert "Other settings" not in text and "unknown" not in text
    # Nor are settings that cannot be read others.
    shutil.rmtree(".snakemake")
    for damaged in ("criteria: [", "[]\n", "study: tiny\n"):
        Path("results/settings.yaml").write_text(damaged)
        assert "Other settings" not in said()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "-"),
        (["done", "done"], "done"),
        (["done", "waiting"], "1/2"),
        (["waiting", "running", "failed"], "0/3 running"),
        (["done", "interrupted", "waiting"], "1/3 interrupted"),
    ],
)
def test_a_cell_says_what_its_jobs_are(names, words):
    assert status_rows.cell(names) == words


def test_a_wrong_study_is_refused_in_one_line(said):
    assert said(SMALL | {"levels": [2]}, status=1).startswith("secateur status: study.yaml: levels")
    assert said(SMALL | {"levels": [2]}, status=1).count("\n") == 1


def test_a_missing_study_is_refused_in_one_line(folder, capsys):
    assert console.main(["status", "none.yaml"]) == 1
    assert capsys.readouterr().err.startswith("secateur status: none.yaml: there is no such file")


@pytest.mark.parametrize("command", ["check", "status", "page"])
def test_a_folder_in_place_of_a_study_is_refused_as_a_folder(folder, capsys, command):
    assert console.main([command, "."]) == 1
    words = f"secateur {command}: .: this is a folder; name the file of a study in it, such as config/config.yaml\n"
    assert capsys.readouterr().err == words


def test_nothing_heavy_is_imported_and_nothing_is_written(folder):
    for each in jobs()[:20]:
        finish(each)
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    code = (
        "import sys; from secateur import console; console.main(['status', 'study.yaml'])\n"
        "assert not {'torch', 'pandas', 'numpy', 'snakemake', 'h5py'} & {*sys.modules}"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow"), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.study
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"levels": [0, 0.5]},
        {"training": {"seeds": [0, 1, 2], "epochs": 2, "batch_size": 32, "learning_rate": 0.05, "flip": False}},
        {"criteria": {"statistics": ["mean_abs", "max"], "mixing": {"deltas": ["0.5"]}, "random": 2}},
    ],
)
def test_of_a_study_that_ran_as_many_jobs_are_left_as_snakemake_plans(tiny_study, monkeypatch, change):
    settings = yaml.safe_load(TINY) | change
    monkeypatch.chdir(tiny_study.folder)
    study = Study.of(study_file.plain("config/config.yaml") | change)
    left = {}
    for each in job_states.states(study_jobs.needed(study), records.runs()):
        if each.name != "done":
            left[each.job.rule] = left.get(each.job.rule, 0) + 1
    assert left == tiny_study.planned_with(settings, "all")
