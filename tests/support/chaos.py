"""Runs of a workflow that are killed at random moments, and what has to be true of them."""

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

# How a run is ended, and how often: Snakemake alone, all of its processes at once, one job, and two polite ways.
WAYS = ("snakemake", "snakemake", "group", "group", "job", "terminate", "interrupt")
# Seconds after which a run is still at work, and seconds that orphans may live: one that is starting looks whether its
# Snakemake runs when it has imported what it needs, which takes long on a busy machine.
LONGEST, ORPHANS = 20, 30
# Lines of Snakemake that must not appear, whatever was killed before.
LOST = ("LockException", "cannot be locked", "IncompleteFilesException", "Traceback", "MissingInputException")


class Killed:
    """A workflow, run again and again until it is whole; `seed` decides when and how each run is ended."""

    def __init__(self, workflow, seed):
        self.workflow, self.chance = workflow, random.Random(seed)
        self.finished, self.repeated, self.ended = set(), [], []

    def run(self, way=None):
        """Start the study, end it in a way after some seconds, and return whether it was whole before that."""
        log = self.workflow.folder / f"run.{len(self.ended)}.txt"
        with log.open("w") as output:
            process = subprocess.Popen(
                self.workflow.command("--cores", "2", "all", cold=True), cwd=self.workflow.folder,
                env=self.workflow.environment, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=_listen,
            )  # fmt: skip
            try:
                process.wait(self.chance.uniform(3, LONGEST) if way else 900)
            except subprocess.TimeoutExpired:
                way = _end(process, way, self.chance)
            process.wait(120)
        self.ended.append((way, process.returncode))
        self._remember(log.read_text(), way)
        self._wait_for_orphans()
        return process.returncode == 0

    def _remember(self, text, way):
        # Ctrl-C reaches the jobs too, and Python says where.
        lost = LOST if way != "interrupt" else [word for word in LOST if word != "Traceback"]
        assert not [word for word in lost if word in text], f"after {self.ended}: {text[-3000:]}"
        jobs = dict(re.findall(r"^Job (\d+): (.*)$", text, flags=re.M))
        self.repeated += [(way, message) for message in jobs.values() if message in self.finished]
        done = re.findall(r"^Finished jobid: (\d+) ", text, flags=re.M)
        self.finished.update(jobs[number] for number in done if number in jobs)

    def _wait_for_orphans(self):
        """No process of a run that has ended works in its folder any more."""
        until = time.monotonic() + ORPHANS
        while left := list(at_work_in(self.workflow.folder)):
            assert time.monotonic() < until, f"still at work after {self.ended}: {left}"
            time.sleep(0.1)

    def until_whole(self, kills):
        """Run with so many kills at most, and then to the end; returns the count of kills that met a running study."""
        met = 0
        while met < kills and not self.run(self.chance.choice(WAYS)):
            met += 1
        assert self.run(), f"not whole after {self.ended}"
        assert self.repeated == []
        return met


def _listen():
    """Let Ctrl-C end the process: what a shell starts in the background ignores it, and so does what that starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end(process, way, chance):
    """End a run in a way, which is returned: Snakemake alone where no job could be killed."""
    if way == "job":
        jobs = list(_jobs(process))
        if jobs:
            chance.choice(jobs).kill()
            # Snakemake waits for the others, and ends.
            return way
        way = "snakemake"
    if way == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif way == "interrupt":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal({"snakemake": signal.SIGKILL, "terminate": signal.SIGTERM}[way])
    return way


def _jobs(process):
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any(".snakemake/scripts/" in word for word in child.cmdline()) and "python" in Path(child.exe()).name:
                yield child
        except psutil.Error:
            continue


def at_work_in(folder):
    """Command lines of the processes whose working directory is a folder."""
    for process in psutil.process_iter(["cwd", "cmdline", "status"]):
        if process.info["cwd"] == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE:
            yield process.info["cmdline"]


@contextlib.contextmanager
def small_disk(folder, size):
    """Let a folder be a disk of so many bytes; yields a function that makes it large."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted: {mounted.stderr}")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=2g", folder], check=True)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def size(folder):
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tables(workflow):
    """{file: content} of all that a study's numbers are in; manifests hold seconds, and figures are of these tables."""
    results = workflow.folder / "results"
    kinds = ("tables/*.csv", "**/ranking/*.csv", "**/statistics/*.csv", "**/evaluation/**/*.csv", "**/network.csv")
    paths = {path for kind in kinds for path in results.glob(kind)}
    return {path.relative_to(results).as_posix(): path.read_bytes() for path in sorted(paths)}
