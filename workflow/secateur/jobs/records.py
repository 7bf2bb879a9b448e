"""Notes that a run leaves in a folder, read without Snakemake: who runs there, what it has begun, what made a file.

Nothing is written or locked. Snakemake marks the files of a job as incomplete when it starts the job, takes the mark
away when that ends, and keeps a record of every file that was made (`.snakemake/incomplete` and `metadata`).
"""

import base64
import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur.artifacts import processes

FOLDER = Path(".snakemake")
# The longest name of a file that Snakemake takes where the system names no limit.
LONGEST = 255
# Bytes at the end of a log that are read: a traceback and the lines after it.
TAIL = 16384


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of Snakemake that has not noted its end: when it began, by the clock of its files, and where it runs.

    `here` is False for one of another machine, which cannot be seen from this one.
    """

    since: float
    here: bool
    facts: Mapping[str, Any]


def runs(folder: Path = FOLDER) -> list[Run]:
    """The runs of Snakemake in a folder; those of this machine that have ended are left out."""
    found = []
    for note in sorted((folder / "secateur_runs").glob("*.json")):
        here = processes.on_this_machine(note.stem)
        if here and not processes.runs(note.stem):
            continue
        # It may end meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found.append(Run(note.stat().st_mtime, here, _read(note)))
    return found


def begun(path: str, folder: Path = FOLDER) -> float | None:
    """The time at which the job of a file was started, if it has not ended since; None if it has, or never began."""
    try:
        return _record(folder / "incomplete", path).stat().st_mtime
    except OSError:
        return None


def made(path: str, folder: Path = FOLDER) -> dict[str, Any]:
    """The record of a file: parameters, inputs, and times at which its job began and ended; empty if there is none."""
    return _read(_record(folder / "metadata", path))


def seconds(record: Mapping[str, Any]) -> float | None:
    """Seconds that the job behind a record took; None where it does not say."""
    start, end = record.get("starttime"), record.get("endtime")
    if start is None or end is None or end <= start:
        return None
    return end - start


def last_lines(log: str) -> list[str]:
    """The last lines of a log; none where there is no log."""
    try:
        with Path(log).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            return file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _record(folder, path):
    """The path of Snakemake's record of a file: its name in base 64, in parts that file systems take."""
    name = base64.urlsafe_b64encode(path.encode()).decode()
    step = _longest(folder) - 1
    while len(name) > step:
        folder, name = folder / f"@{name[:step]}", name[step:]
    return folder / name


def _longest(folder):
    try:
        return os.pathconf(folder, "PC_NAME_MAX") or LONGEST
    except (OSError, ValueError, AttributeError):
        return LONGEST


def _read(path):
    """The content of a record; empty for one that is missing, or is written at this moment."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}
