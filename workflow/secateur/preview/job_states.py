"""State of each job of a study, from its files, Snakemake's records and its log; nothing is written or locked."""

import contextlib
import dataclasses
import itertools
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from secateur.artifacts import files, wholeness
from secateur.jobs import records
from secateur.preview import study_jobs
from secateur.preview.planned import Planned

# States of jobs, the one that a cell of several names first.
RUNNING, FAILED, INTERRUPTED, DAMAGED, OUTDATED = "running", "failed", "interrupted", "damaged", "outdated"
ELSEWHERE, SUBMITTED, WAITING, DONE = "elsewhere", "submitted", "waiting", "done"
# Whole files without a record, in a folder with the settings of another study.
UNKNOWN = "unknown"
STATES = (RUNNING, ELSEWHERE, FAILED, INTERRUPTED, DAMAGED, OUTDATED, UNKNOWN, SUBMITTED, WAITING, DONE)
BEGUN = (RUNNING, ELSEWHERE, SUBMITTED)
# States of jobs that have to run, whatever reads their files. Snakemake does not see damage: a damaged file is named,
# and what was made from it before is left as it is.
TO_RUN = (*BEGUN, OUTDATED, UNKNOWN)
# Seconds by which the clocks of a mark and of a log may differ.
SLACK = 2.0
# The end of a log's line of progress.
LEFT = re.compile(r", (\d+) s left$")


@dataclasses.dataclass(frozen=True)
class State:
    """A job, its state, when it was started if it runs, and the last line of its log if it runs or failed.

    `record` is what Snakemake noted of its last whole run.
    """

    job: Planned
    name: str
    since: float | None = None
    line: str = ""
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def compared(self) -> bool:
        """True if a record says by which settings the files were made, and these could be compared."""
        return self.job.options is not None and "params" in self.record


def states(jobs: Sequence[Planned], runs: Sequence[records.Run], unlike: bool = False) -> list[State]:
    """The states of all jobs of a study, in their order; `jobs` has each after those whose files it reads.

    `unlike` says that the folder holds results of other settings (`other_settings`), so that a file without a record
    may be one of them.
    """
    own = {job: _own_state(job, runs, unlike) for job in jobs}
    waits = _to_run(own)
    found = []
    for job, state in own.items():
        if job in waits and state.name in (DONE, OUTDATED):
            state = dataclasses.replace(state, name=OUTDATED)
        elif job not in waits and state.name != DAMAGED:
            # Files that are missing, but that nothing reads any more, are not made again.
            state = dataclasses.replace(state, name=DONE)
        found.append(state)
    return found


def _own_state(job, runs, unlike):
    """The state of a job by its own files and their inputs, whatever other jobs do."""
    marks = list(filter(None, map(records.begun, job.outputs)))
    if marks:
        return _begun(job, max(marks), runs)
    if not all(map(os.path.isfile, job.outputs)):
        return _missing(job)
    if not all(map(wholeness.whole, job.outputs)):
        return State(job, DAMAGED)
    record = records.made(job.outputs[0])
    if not _fits(job, record) or _newer(job, record):
        return State(job, OUTDATED, record=record)
    return State(job, UNKNOWN if unlike and not record else DONE, record=record)


def _begun(job, mark, runs):
    """The state of a job that was started and has not ended: its run may have been killed."""
    places = {run.here for run in runs if run.since <= mark}
    lines = records.last_lines(job.log)
    line = lines[-1] if lines else ""
    if True in places:
        with contextlib.suppress(FileNotFoundError):
            if Path(job.log).stat().st_mtime >= mark - SLACK:
                return State(job, RUNNING, mark, line)
        return State(job, SUBMITTED, mark)
    return State(job, ELSEWHERE if places else INTERRUPTED, mark, line)


def _missing(job):
    """The state of a job that does not run and whose files are not all there."""
    lines = records.last_lines(job.log)
    if not lines or lines[-1].endswith(" done"):
        return State(job, WAITING)
    if f" {job.rule} failed\n" in "\n".join(lines):
        return State(job, FAILED, line=lines[-1])
    return State(job, INTERRUPTED, line=lines[-1])


def _fits(job, record):
    """False if a file was made by other settings; True where no record says by which."""
    recorded = record.get("params")
    if recorded is None or job.options is None:
        return True
    options = job.options()
    return not options or repr(options) in recorded


def _newer(job, record):
    """True if a file was written before an input that has another content by now, as far as times tell."""
    written = min(map(os.path.getmtime, job.outputs))
    checksums = record.get("input_checksums") or {}
    for path in job.inputs:
        with contextlib.suppress(FileNotFoundError):
            if Path(path).stat().st_mtime > written and not _same(path, checksums.get(path)):
                return True
    return False


def _same(path, checksum):
    """True for a file of the content that an input had; large ones have no checksum and count by their times."""
    return checksum is not None and checksum == f"sha256:{files.sha256(path)}"


def _to_run(own):
    """The jobs that Snakemake would run, or runs: those with a reason of their own, what they lack, what reads them."""
    by_file = study_jobs.makers(own)
    readers = _readers(own, by_file)
    waits, found = [], set()
    for job, state in own.items():
        if state.name in TO_RUN or (state.since is not None) or (state.name != DONE and not readers[job]):
            waits.append(job)
    while waits:
        job = waits.pop()
        if job in found:
            continue
        found.add(job)
        waits += readers[job]
        waits += filter(None, map(by_file.get, itertools.filterfalse(os.path.isfile, job.inputs)))
    return found


def _readers(jobs, by_file):
    """{job: the jobs that read its files}."""
    found = {job: [] for job in jobs}
    for job in jobs:
        for path in job.inputs:
            if path in by_file:
                found[by_file[path]].append(job)
    return found


def left(states: Sequence[State]) -> tuple[float, int, list[State]]:
    """Seconds of the jobs that have to run, one after the other, their count, and those of which nothing is known.

    A job takes as long as the same of another network took, or else as the median of its rule; one that runs takes what
    its log or its start leaves of that.
    """
    durations, total, count, unknown = _Durations(states), 0.0, 0, []
    for state in states:
        if state.name == DONE:
            continue
        told = LEFT.search(state.line) if state.name == RUNNING else None
        expected = float(told[1]) if told else durations.of(state.job)
        if expected is None:
            unknown.append(state)
            continue
        count += 1
        if state.name == RUNNING and not told:
            total += max(0.0, expected - (time.time() - (state.since or 0)))
        else:
            total += expected
    return total, count, unknown


class _Durations:
    """Seconds that finished jobs took, by what they have in common."""

    def __init__(self, states):
        self.taken = {}
        for state in states:
            seconds = records.seconds(state.record)
            if seconds is not None:
                for key in _alike(state.job):
                    self.taken.setdefault(key, []).append(seconds)

    def of(self, job):
        """The median of the jobs that are most alike; None where none has finished."""
        for key in _alike(job):
            if key in self.taken:
                taken = sorted(self.taken[key])
                return taken[len(taken) // 2]
        return None


def _alike(job):
    """Keys that jobs of about the same length share, the most alike first; a kind of retraining ends a name."""
    return (job.rule, job.name), (job.rule, job.name.rpartition("/")[2]), (job.rule,)
