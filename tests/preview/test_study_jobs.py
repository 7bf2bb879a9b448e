"""The jobs that a status looks at are those of the rules: files, inputs, logs and settings."""

import re

import pytest
import yaml

from secateur.preview import study_jobs
from secateur.study.study import Study
from support.studies import EVERYTHING, TINY, Workflow

STUDIES = {"tiny": yaml.safe_load(TINY), "everything": EVERYTHING}


def planned_by_snakemake(workflow):
    """{outputs: (rule, inputs, log)} of a dry run; rules with a message of their own would say no files."""
    for path in (workflow.folder / "rules").glob("*.smk"):
        path.write_text(re.sub(r"^ *message:\n +.*\n", "", path.read_text(), flags=re.M))
    text, found = workflow.run("-n", "all"), {}
    for rule, block in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", text, flags=re.M):
        facts = dict(re.findall(r"^    (\w+): (.*)$", block, flags=re.M))
        if rule != "all":
            found[listed(facts["output"])] = (rule, listed(facts.get("input", "")), facts["log"])
    return found


def listed(text):
    return frozenset(re.sub(r" \(.*?\)", "", path) for path in text.split(", ") if path)


@pytest.mark.study
@pytest.mark.parametrize("name", STUDIES)
def test_the_jobs_are_those_of_a_dry_run(tmp_path, name):
    workflow = Workflow(tmp_path / "study", yaml.safe_dump(STUDIES[name], sort_keys=False))
    jobs = {}
    for job in study_jobs.needed(Study.of(STUDIES[name])):
        jobs[frozenset(job.outputs)] = (job.rule, frozenset(job.inputs), job.log)
    assert jobs == planned_by_snakemake(workflow)


@pytest.mark.parametrize("name", STUDIES)
def test_each_job_follows_those_whose_files_it_reads(name):
    jobs = study_jobs.needed(Study.of(STUDIES[name]))
    by_file, seen = study_jobs.makers(jobs), set()
    for job in jobs:
        assert all(path in seen for path in job.inputs if path in by_file)
        seen.update(job.outputs)


def test_settings_that_hold_own_files_are_not_read(tmp_path, monkeypatch):
    """A digest of them would be made, and kept in a cache: a status writes nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt").write_bytes(b"weights")
    study = Study.of(STUDIES["tiny"] | {"model": STUDIES["tiny"]["model"] | {"weights": "w.pt"}})
    jobs = study_jobs.needed(study)
    assert {job.rule for job in jobs if job.options is None} == {
        *("train_model", "list_units", "tabulate_thesis", "judge_thesis", "write_study_page"),
    }
    for job in jobs:
        if job.options is not None:
            job.options()
    assert [path.name for path in tmp_path.iterdir()] == ["w.pt"]
