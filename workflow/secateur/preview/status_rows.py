"""The table of a status: rows of networks and criteria, columns of stages."""

import collections
from collections.abc import Sequence
from typing import NamedTuple

from secateur.preview import job_states, layout, study_jobs
from secateur.preview.job_states import State
from secateur.preview.planned import Places
from secateur.study import stage_files
from secateur.study.study import Study

STAGES = (
    *("images", "training", "units", "relevance", "statistics", "selection", "sensitivity", "ranking", "evaluation"),
    *("retraining", "sparsity", "tickets", "export", "tables", "figures"),
)
# {row: the stage of networks that belong to no criterion}.
BESIDE = {"sparse networks": "sparsity", "winning tickets": "tickets"}


class Row(NamedTuple):
    """The states of the jobs of one network behind some criteria, by stage; of all networks where `seed` is empty."""

    seed: str
    name: str
    stages: dict[str, list[str]]


def rows(study: Study, states: Sequence[State]) -> list[Row]:
    """A row for each family of criteria of each network, for what is trained beside them, and for the whole study."""
    by_job = {state.job: state.name for state in states}
    by_file, of_seed = study_jobs.makers(by_job), collections.defaultdict(list)
    for job in by_job:
        of_seed[job.seed].append(job)
    found = []
    for seed in study.seeds:
        for family, criteria in study.families.items():
            behind = _behind(Places(study, seed), criteria, by_file)
            using = (job for job in of_seed[seed] if _uses(study, job, criteria))
            found.append(_row(str(seed), family, dict.fromkeys([*behind, *using]), by_job))
        for name, stage in BESIDE.items():
            jobs = [job for job in of_seed[seed] if job.stage == stage]
            if jobs:
                found.append(_row(str(seed), name, study_jobs.behind(jobs, by_file), by_job))
    # The page of the study shows all networks.
    compared = [job for job in by_job if job.rule == "compare_relevance"]
    found.append(_row("", "all networks", [*of_seed[None], *compared], by_job))
    return found


def _row(seed, name, jobs, by_job):
    stages = collections.defaultdict(list)
    for job in jobs:
        stages[job.stage].append(by_job[job])
    return Row(seed, name, stages)


def _behind(places, criteria, by_file):
    """The jobs behind the rankings of a network by some criteria, and its training."""
    files = map(places.path, ["<network>/training/trained.pt", *stage_files.rankings(criteria)])
    return study_jobs.behind(filter(None, map(by_file.get, files)), by_file)


def _uses(study, job, criteria):
    """True for a job that evaluates, retrains or exports networks pruned by one of the criteria."""
    if job.rule == "evaluate_pruning":
        return not {*study.evaluated[job.name]}.isdisjoint(criteria)
    if job.rule == "evaluate_choosing":
        return not {*study.choosing[job.name]}.isdisjoint(criteria)
    return job.rule in ("retrain_model", "export_model") and job.name.partition("/")[0] in criteria


def table(found: Sequence[Row]) -> list[str]:
    """The lines of the table."""
    return layout.aligned(cells(found))


def cells(found: Sequence[Row]) -> list[tuple[str, ...]]:
    """The cells of the table, its head first; a stage that the study does not have has no column."""
    present = set()
    for row in found:
        present.update(row.stages)
    stages = [*filter(present.__contains__, STAGES)]
    lines = [("network", "criteria", *stages)]
    for row in found:
        lines.append((row.seed, row.name, *(cell(row.stages.get(stage, [])) for stage in stages)))
    return lines


def cell(names: Sequence[str]) -> str:
    """The words for the states of some jobs: that of all, or how many are done and what the others are."""
    if not names:
        return "-"
    if len({*names}) == 1:
        return names[0]
    first = min(names, key=job_states.STATES.index)
    counted = f"{names.count(job_states.DONE)}/{len(names)}"
    return counted if first == job_states.WAITING else f"{counted} {first}"
