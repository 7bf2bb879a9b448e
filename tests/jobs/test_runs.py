"""Runs that note themselves: locks of killed ones alone are removed, and jobs end with their Snakemake."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from secateur import Refused
from secateur.artifacts import files, processes
from secateur.jobs import runs
from support.studies import ROOT

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
BEGIN = "from secateur.jobs import runs; print(runs.begin('.snakemake', bool), flush=True); "
# A job as Snakemake starts one, in a shell of its own; it says who it is and would write after a while.
SNAKEMAKE = (
    BEGIN
    + """
import subprocess, sys
subprocess.run(["bash", "-c", f"true; {sys.executable} job.py; true"])
"""
)
JOB = """
import os, pathlib, time
from secateur.artifacts import files
from secateur.jobs import runs
WATCH
pathlib.Path("job").write_text(str(os.getpid()))
with files.replacing("result") as temporary:
    temporary.write_text("of the first run")
    while pathlib.Path("hold").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(processes.RUN, raising=False)
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    return tmp_path


def started(code):
    return subprocess.Popen([sys.executable, "-c", code], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def killed():
    """A run that was killed, with the locks that it left."""
    process = started(BEGIN + "import time; time.sleep(60)")
    assert process.stdout.readline() == "None\n"
    locked()
    process.kill()
    process.wait()


def locked():
    for kind in ("input", "output"):
        with open(f".snakemake/locks/0.{kind}.lock", "w") as lock:  # noqa: PTH123
            lock.write("results/file\n")


def locks(folder):
    return sorted(path.name for path in (folder / ".snakemake/locks").iterdir())


def notes(folder):
    return [path.stem for path in (folder / ".snakemake/secateur_runs").iterdir()]


def test_the_lock_of_a_killed_run_is_removed_and_said(folder):
    killed()
    (left,) = notes(folder)
    sentence = runs.begin(".snakemake", bool)
    assert f"process {left.split('-')[1]} on " in sentence
    assert locks(folder) == [] and notes(folder) == [processes.identity()]


def test_a_run_forgets_itself_when_it_ends_in_any_other_way(folder):
    for ending, status in (("", 0), ("raise SystemExit(3)", 3), ("raise KeyboardInterrupt", -signal.SIGINT)):
        process = started(BEGIN + ending)
        process.communicate()
        assert process.returncode == status and notes(folder) == []


@pytest.mark.parametrize(
    "reason", ["another run lives", "another Snakemake lives", "another machine", "no note", "older"]
)
def test_a_lock_that_may_be_held_stays(folder, reason):
    others = bool
    if reason == "no note":
        locked()
    else:
        killed()
    if reason == "another run lives":
        living = started(BEGIN + "import time; time.sleep(60)")
        # It could not lock: it finds a lock, and one that is its own later.
        living.stdout.readline()
        locked()
    elif reason == "another Snakemake lives":
        others = lambda: True  # noqa: E731
    elif reason == "another machine":
        (folder / ".snakemake/secateur_runs/abcdef01-17-4.json").write_text(json.dumps({}))
    elif reason == "older":
        os.utime(folder / ".snakemake/locks/0.input.lock", (0, 0))
    left = [] if reason == "no note" else notes(folder)
    said = runs.begin(".snakemake", others)
    if reason == "another machine":
        assert said.startswith("This folder is locked, perhaps by a run on another machine")
        assert ".snakemake/secateur_runs/abcdef01-17-4.json" in said
    else:
        assert said is None
    assert locks(folder) == ["0.input.lock", "0.output.lock"]
    # What may explain the lock later stays too.
    assert {*left} <= {*notes(folder)}
    if reason == "another run lives":
        living.kill()
        living.communicate()


def test_a_process_of_the_same_id_that_started_later_is_another_one(monkeypatch):
    machine, process, start = processes.identity().split("-")
    assert processes.runs(f"{machine}-{process}-{start}")
    assert not processes.runs(f"{machine}-{process}-{int(start) + 1}")
    assert not processes.runs(f"00000000-{process}-{start}")
    # Where the start is hidden, as of another user's process, nothing says that it is another one.
    monkeypatch.setattr(processes, "_facts", lambda process: ["0"] * 20)
    assert processes.runs(f"{machine}-{process}-{start}")
    monkeypatch.undo()
    assert not processes.runs("") and not processes.runs(f"{machine}-x-1")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("/here/bin/python3 /here/bin/snakemake --cores 1 all", True),
        ("/here/bin/snakemake all", True),
        ("python -Xdev -m snakemake all", True),
        ("python .snakemake/scripts/tmp.train_model.py", False),
        ("python client.py -m snakemake", False),
        ("python -m pip install snakemake", False),
        ("make study snakemake", False),
        ("python", False),
        ("", False),
    ],
)
def test_snakemake_is_known_by_its_command_line(command, told):
    assert runs.is_snakemake(command.split()) == told


def test_a_process_that_has_ended_and_was_not_waited_for_does_not_run():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = processes.identity(process.pid)
    assert processes.runs(name)
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.runs(name) and not processes.alive(process.pid)
    process.wait()


def orphan(folder, watch):
    """A job of a Snakemake that was killed while the job wrote, and its process id."""
    (folder / "job.py").write_text(JOB.replace("WATCH", watch))
    (folder / "hold").touch()
    process = started(SNAKEMAKE)
    while not (folder / "job").exists() or not (folder / "job").read_text():
        time.sleep(0.01)
    process.kill()
    process.wait()
    # Not its end, which comes with that of the job.
    process.stdout.close()
    return int((folder / "job").read_text())


def gone(job):
    for _ in range(500):
        if not processes.alive(job):
            return True
        time.sleep(0.01)
    return False


def test_a_job_ends_soon_after_its_snakemake(folder):
    assert gone(orphan(folder, "runs.end_with_snakemake()"))
    assert not (folder / "result").exists()


def test_a_snakemake_inside_a_job_ends_soon_after_that_of_the_job(folder):
    assert gone(orphan(folder, "runs.begin('.snakemake', bool)"))
    assert not (folder / "result").exists()


def test_an_orphaned_job_that_comes_to_write_does_not(folder):
    job = orphan(folder, "")
    assert processes.alive(job)
    (folder / "hold").unlink()
    assert gone(job)
    assert not (folder / "result").exists()
    # What it left behind is removed by the next writer; outside a run everything is written.
    with files.replacing(folder / "result") as temporary:
        temporary.write_text("of the second run")
    assert [path.name for path in folder.glob("*result*")] == ["result"]


def test_of_a_run_on_another_machine_nothing_is_said(folder, monkeypatch):
    monkeypatch.setenv(processes.RUN, "00000000-1-1")
    files.write_text(folder / "result", "written")
    monkeypatch.setenv(processes.RUN, f"{processes.machine()}-{2**22 + 1}-1")
    with pytest.raises(Refused, match="has ended"):
        files.write_text(folder / "result", "again")
    assert (folder / "result").read_text() == "written"
