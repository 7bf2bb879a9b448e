"""The time that the jobs behind some files took, as Snakemake noted it."""

import collections
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from secateur.jobs import records


class Runtime(NamedTuple):
    """Jobs of one rule, and the seconds of all together, each from its start to its last file."""

    rule: str
    jobs: int
    seconds: float


def behind(paths: Iterable[str], folder: Path = records.FOLDER) -> list[Runtime]:
    """The Runtime of every rule with a job behind these files, by name; nothing where Snakemake's notes are gone.

    Files are followed to what their jobs read, so that jobs which run meanwhile are not counted.
    """
    waiting, seen, jobs = [*paths], set(), {}
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        record = records.made(path, folder)
        seconds = records.seconds(record)
        if seconds is not None:
            # A job has one log, and its files are finished one after the other.
            job = (record.get("rule", ""), *record.get("log", []))
            jobs[job] = max(seconds, jobs.get(job, 0.0))
        waiting += record.get("input", [])
    by_rule = collections.defaultdict(list)
    for (rule, *_), seconds in jobs.items():
        by_rule[rule].append(seconds)
    return [Runtime(rule, len(taken), sum(taken)) for rule, taken in sorted(by_rule.items())]
