"""Runs of Snakemake in one folder: the lock of one that was killed, and jobs that end with theirs.

Every run notes itself in `.snakemake/secateur_runs` until it ends, in whatever way it can: what a killed one leaves
behind tells that its lock is nobody's.
"""

import atexit
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from secateur.artifacts import processes

SECONDS_BETWEEN_LOOKS = 0.5


def begin(folder: Path | str, others: Callable[[], bool]) -> str | None:
    """Note this process as a run, tell its jobs, and remove the locks of killed runs.

    `folder` is Snakemake's own, `.snakemake`; `others` tells whether another Snakemake runs beside it that did not note
    itself. Returns a sentence on the locks that were removed, or that stay because of another machine, or None. A lock
    stays where a run may still hold it: one on another machine, or one that began before this file could note it.
    """
    # The report is written by a Snakemake inside a job, which ends with that of the job.
    end_with_snakemake()
    name = tell_jobs()
    notes = Path(folder) / "secateur_runs"
    own = notes / f"{name}.json"
    try:
        notes.mkdir(parents=True, exist_ok=True)
        facts = {"host": socket.gethostname(), "process": os.getpid(), "began": time.strftime("%Y-%m-%d %H:%M:%S")}
        own.write_text(json.dumps(facts), encoding="utf-8")
    except OSError:
        # Nothing can be locked there either.
        return None
    atexit.register(_forget, own, os.getpid())
    try:
        return _unlock(Path(folder) / "locks", [note for note in notes.glob("*.json") if note != own], others)
    except OSError as error:
        # Another start did the same meanwhile, or the files are another user's: Snakemake says what it finds.
        logging.warning("locks are left as they are: %s", error)
        return None


def tell_jobs() -> str:
    """Name this process to the jobs that it starts, so that they end with it; returns the name."""
    os.environ[processes.RUN] = processes.identity()
    return os.environ[processes.RUN]


def _forget(note, process):
    """Remove the note of a run, at the end of its process; a fork of it is another one."""
    if os.getpid() == process:
        note.unlink(missing_ok=True)


def _unlock(locks, notes, others):
    dead = [note for note in notes if processes.on_this_machine(note.stem) and not processes.runs(note.stem)]
    held = list(locks.glob("*.lock"))
    removed = None
    if held:
        away = [note for note in notes if not processes.on_this_machine(note.stem)]
        if away:
            return (
                f"This folder is locked, perhaps by a run on another machine ({_words(away[0])}); if that has ended, "
                f"delete {away[0]} and start again"
            )
        if not dead or len(dead) < len(notes) or not _of_these(held, dead) or others():
            # The notes stay with the lock, for the run that finds nobody here any more.
            return None
        removed = f"The lock of a run that was killed is removed ({_words(dead[-1])}); no other Snakemake runs here."
    for file in (*held, *dead):
        file.unlink(missing_ok=True)
    return removed


def _of_these(locks, notes):
    """True if each lock is younger than one of the runs at least."""
    first = min(note.stat().st_mtime for note in notes)
    return all(lock.stat().st_mtime >= first for lock in locks)


def _words(note):
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        return f"process {facts['process']} on {facts['host']}, begun {facts['began']}"
    except (OSError, ValueError, KeyError):
        return "its note cannot be read"


def is_snakemake(command: Sequence[str]) -> bool:
    """True for the command line of Snakemake itself: as a program, as a script, or by `python -m`."""
    program, *rest = [*map(_program, command), ""]
    if program.startswith("python"):
        # Behind the interpreter's own options.
        program = next((word for word in rest if not word.startswith("-") or word == "-m"), "")
        if program == "-m":
            program = rest[rest.index("-m") + 1]
    return program == "snakemake"


def _program(word):
    return Path(word).name or word


def end_with_snakemake() -> None:
    """End this job, at once and whatever it does, when the Snakemake that started it has ended.

    A killed Snakemake leaves its jobs running, and the next run starts them again, perhaps by other settings: two
    processes would write one file.
    """
    name = os.environ.get(processes.RUN)
    if name:
        threading.Thread(target=_watch, args=(name,), daemon=True).start()


def _watch(name):
    while not processes.orphaned(name):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    logging.error("Snakemake, which started this job, has ended; so does the job")
    os._exit(1)
