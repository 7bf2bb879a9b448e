"""A SLURM of one node that lives as long as a test: its own key, ports, folders and a pretended GPU.

Nothing of a SLURM that the machine may have is read or written: all programs take their configuration from SLURM_CONF.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "sinfo", "squeue", "setpriv")
# Debian has daemons where the path of an ordinary login does not look.
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
# What the node is said to have, whatever the machine has.
CPUS, MEMORY, GPUS = 2, 64_000, 1
SECONDS_TO_START = 30
# GPUs count as generic resources, which are files; this one is on every machine.
PRETENDED_GPU = "NodeName=node Name=gpu File=/dev/zero\n"
# Snakemake's SLURM executor asks for its jobs after one second, 11 more, 21 more, ...: made for queues of hours.
EAGER_SNAKEMAKE = """
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda executor: 1, lambda executor, seconds: None)
main()
"""
# There is no accounting database here, and no controller to spare.
OPTIONS = (
    "--workflow-profile", "slurm", "--slurm-status-command", "squeue",
    "--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5",
)  # fmt: skip
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=3600
KillWait=5
GresTypes=gpu
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """The reason why no SLURM can be started here, or None."""
    lacking = [program for program in PROGRAMS if not shutil.which(program, path=PLACES)]
    if lacking:
        return f"SLURM is not installed (tests/install_slurm): {', '.join(lacking)}"
    return None if os.geteuid() == 0 else "SLURM's daemons have to be started by root"


class Cluster:
    """A running SLURM; `environment` is what its commands and Snakemake need to find it."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}{os.pathsep}{PLACES}"}

    def ask(self, *command):
        """Run one of SLURM's commands; returns what it prints."""
        return subprocess.run(
            command, env=os.environ | self.environment, text=True, capture_output=True, check=True, timeout=30
        ).stdout

    def start(self, workflow, *arguments):
        """Start Snakemake in a workflow's folder, with the profile of SLURM; returns its process."""
        return subprocess.Popen(
            [sys.executable, "-c", EAGER_SNAKEMAKE, *OPTIONS, *arguments], cwd=workflow.folder,
            env=workflow.environment | self.environment | {"OMP_NUM_THREADS": "1"},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def run(self, workflow, *arguments):
        """Run the same to its end; returns its exit status and output."""
        process = self.start(workflow, *arguments)
        try:
            output, _ = process.communicate(timeout=600)
        finally:
            process.kill()
        return process.returncode, output

    def jobs(self):
        """[{field: value}] of all jobs since the start, as `scontrol` shows them, in the order of submission."""
        lines = self.ask("scontrol", "--oneliner", "show", "jobs").splitlines()
        jobs = [dict(re.findall(r"(\S+?)=(.*?)(?= \S+?=|$)", line)) for line in lines if line.startswith("JobId=")]
        return sorted(jobs, key=lambda job: int(job["JobId"]))

    def queued(self):
        """Ids of the jobs that wait, run or end."""
        return self.ask("squeue", "--noheader", "--format=%i").split()


@contextlib.contextmanager
def running():
    """Start a Cluster, and stop it with all its jobs, whatever happens; it dies with this process too."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm.", ignore_cleanup_errors=True)))
        # Munge wants the way to its socket to be open to all.
        folder.chmod(0o755)
        cluster = Cluster(folder)
        _configure(folder)
        stack.enter_context(_daemon(cluster, "munged", "--foreground", *_munge_files(folder)))
        _wait(lambda: (folder / "munge.socket").exists(), folder)
        stack.enter_context(_daemon(cluster, "slurmctld", "-D"))
        stack.enter_context(_daemon(cluster, "slurmd", "-D", "-N", "node"))
        _wait(lambda: "idle" in cluster.ask("sinfo", "--noheader", "--format=%t"), folder)
        stack.callback(_empty, cluster)
        yield cluster


def _configure(folder):
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    (folder / "gres.conf").write_text(PRETENDED_GPU)
    words = {"folder": folder, "host": socket.gethostname().partition(".")[0], "ports": _free_ports(2)}
    text = CONFIGURATION.format(**words, cpus=CPUS, memory=MEMORY, gpus=GPUS)
    (folder / "slurm.conf").write_text(text)
    _wrap_srun(folder)


def _wrap_srun(folder):
    """Put an srun on the path that finds this SLURM: on nodes, Snakemake calls it without any SLURM_ variable."""
    script = folder / "bin" / "srun"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun", path=PLACES)} "$@"\n')
    script.chmod(0o755)


def _munge_files(folder):
    files = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
    return [f"--{option}={folder}/munge.{name}" for option, name in files.items()]


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def _daemon(cluster, program, *arguments):
    """Run a daemon in the foreground."""
    command = ["setpriv", "--pdeathsig", "KILL", program, *arguments]
    with (cluster.folder / f"{program}.out").open("w") as output:
        process = subprocess.Popen(
            command, env=os.environ | cluster.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(condition, folder):
    """Wait until a condition holds; a command that fails is asked again."""
    until = time.monotonic() + SECONDS_TO_START
    while True:
        with contextlib.suppress(subprocess.SubprocessError):
            if condition():
                return
        if time.monotonic() > until:
            logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
            raise TimeoutError(f"SLURM did not start in {SECONDS_TO_START} seconds: {logs}")
        time.sleep(0.1)


def _empty(cluster):
    """Cancel all jobs and wait until they have ended."""
    until = time.monotonic() + SECONDS_TO_START
    while (queued := cluster.queued()) and time.monotonic() < until:
        cluster.ask("scancel", "--signal=KILL", *queued)
        cluster.ask("scancel", *queued)
        time.sleep(0.5)
