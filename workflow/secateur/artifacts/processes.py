"""Processes that were noted by name: whether one still runs, and the run of Snakemake that a job belongs to."""

import hashlib
import os
import socket
from pathlib import Path

# The environment variable by which Snakemake tells its jobs who it is.
RUN = "SECATEUR_RUN"
# In place of a fact that the system does not tell.
UNKNOWN = "0"


def machine() -> str:
    """An id of the host and of the container's process namespace: within it, a process id names one process.

    Hosts can share a name, so that of the installation counts where there is one (Linux).
    """
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    try:
        installed = Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    except OSError:
        installed = ""
    return hashlib.sha256(f"{socket.gethostname()} {namespace} {installed}".encode()).hexdigest()[:8]


def identity(process: int | None = None) -> str:
    """A name for a running process, this one by default: its machine, its id, and when it started.

    The start tells it from a later process with the same id, where the system says it (Linux); else it is 0.
    """
    process = process or os.getpid()
    return f"{machine()}-{process}-{_started(process)}"


def on_this_machine(name: str) -> bool:
    """True for the identity of a process of this machine; others cannot be seen from here."""
    return name.partition("-")[0] == machine()


def runs(name: str) -> bool:
    """True if the process with this identity runs, False for text that is no identity of this machine's.

    A process whose start the system hides, as that of another user, counts as the one that was noted.
    """
    parts = name.split("-")
    if len(parts) != 3 or not on_this_machine(name) or not parts[1].isdecimal():
        return False
    return alive(int(parts[1])) and _started(int(parts[1])) in (parts[2], UNKNOWN)


def alive(process: int) -> bool:
    """True if a process with this id runs on this machine; one that has ended and was not waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _facts(process)[0] not in ("Z", "X")


def orphaned(name: str | None = None) -> bool:
    """True in a job whose Snakemake has ended; False where none is named, or one of another machine.

    `name` is its identity; without one it is the one that the environment names.
    """
    if name is None:
        name = os.environ.get(RUN, "")
    return on_this_machine(name) and not runs(name)


def _started(process):
    """Clock ticks from the start of the machine to that of a process, as text; UNKNOWN where it is not said."""
    return _facts(process)[19]


def _facts(process):
    """The facts of a process that Linux tells, from its state on (proc(5)); UNKNOWN for all where it tells none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [UNKNOWN] * 20
    # The name of the program, in brackets, may hold spaces and brackets.
    return text.rpartition(")")[2].split()
