"""A small study on a real SLURM of one node: same tables, retries, GPUs, and nothing left in the queue.

`make cluster` runs these tests. Without CLUSTER nothing runs: jobs of a cluster wait for each other for minutes.
"""

import contextlib
import os
import re
import signal
import time

import pytest

from support import chaos, slurm
from support.studies import ON_DIGITS, Workflow

STUDY = f"""
study: cluster
{ON_DIGITS}
training: {{seeds: [0], epochs: 1, batch_size: 64, learning_rate: 0.05, flip: false, rotation: 0}}
readings: {{}}
criteria: {{statistics: [mean_abs], random: 1, controls: false, scores: [l1]}}
levels: [0, 0.5]
"""
# An evaluation that needs more memory than its rule asks for at first.
HUNGRY = 'if snakemake.wildcards.family == "random" and snakemake.resources.mem_mb < 16000:\n    raise MemoryError\n'
NETWORK = "results/digits/vgg_small/0"

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.study,
    pytest.mark.skipif("CLUSTER" not in os.environ, reason="takes minutes; run by make cluster"),
    pytest.mark.skipif(bool(slurm.missing()), reason=str(slurm.missing())),
]


@pytest.fixture(scope="module")
def cluster():
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(slurm.running())
        except TimeoutError as error:
            pytest.skip(f"this machine does not let SLURM's daemons run: {error}")
        yield running


@pytest.fixture(scope="module")
def on_cluster(cluster, tmp_path_factory):
    """The study, finished on the cluster, where one of its jobs fails at first; `jobs` are SLURM's."""
    workflow = Workflow(tmp_path_factory.mktemp("cluster"), STUDY)
    script = workflow.folder / "workflow" / "evaluate_pruning.py"
    script.write_text(script.read_text() + HUNGRY)
    status, workflow.output = cluster.run(workflow, "--", "all")
    assert status == 0, workflow.output
    workflow.jobs = cluster.jobs()
    return workflow


def test_a_study_on_a_cluster_ends_with_the_same_tables(on_cluster, tmp_path):
    here = Workflow(tmp_path, STUDY)
    here.run("--cores", "2", "all")
    expected = chaos.tables(here)
    assert len(expected) > 8
    assert chaos.tables(on_cluster) == expected


def test_a_finished_study_plans_nothing_here_or_there(on_cluster):
    assert on_cluster.planned("all") == {}
    assert on_cluster.planned("--workflow-profile", "slurm", "--", "all") == {}


def test_small_jobs_share_submissions(on_cluster):
    names = [name_of(job) for job in on_cluster.jobs]
    shared = sorted(name for name in names if name.startswith("group_"))
    assert [name.split("_")[1] for name in shared] == ["rankings", "results", "units", "weights"]
    # Images, training, three evaluations, one of them twice, and the page.
    assert len(names) == len(shared) + 7
    # One after the other on one core: as much memory as one of them, and the time of all six.
    results = one(on_cluster.jobs, "group_results")
    assert asked(results) == {"cpu": "1", "mem": "2000M", "time": "01:00:00", "gpu": ""}


def test_a_job_that_failed_is_retried_with_more_memory_and_time(on_cluster):
    failed, retried = [job for job in on_cluster.jobs if re.match("rule_evaluate.*random", name_of(job))]
    assert (failed["JobState"], retried["JobState"]) == ("FAILED", "COMPLETED")
    assert asked(failed) == {"cpu": "1", "mem": "8000M", "time": "04:00:00", "gpu": ""}
    assert asked(retried) == {"cpu": "1", "mem": "16000M", "time": "08:00:00", "gpu": ""}
    assert {job["JobState"] for job in on_cluster.jobs if job is not failed} == {"COMPLETED"}


def test_a_gpu_is_asked_for_where_the_study_uses_one(cluster, on_cluster, tmp_path):
    workflow = on_cluster.copied(tmp_path / "cuda")
    (workflow.folder / "config" / "config.yaml").write_text(f"{STUDY}device: cuda\n")
    targets = (f"{NETWORK}/training/trained.pt", f"{NETWORK}/units/units.csv")
    # The GPU is a pretended one, which PyTorch does not find.
    _, output = cluster.run(workflow, "--retries", "0", "--keep-going", "--forcerun", "list_units", "--", *targets)
    jobs = [job for job in cluster.jobs() if job["WorkDir"] == str(workflow.folder)]
    training, units = one(jobs, "rule_train_model"), one(jobs, "group_units")
    assert asked(training) == {"cpu": "1", "mem": "8000M", "time": "12:00:00", "gpu": "gres:gpu:1"}
    assert asked(units)["gpu"] == ""
    assert (training["JobState"], units["JobState"]) == ("FAILED", "COMPLETED"), output
    assert {asked(job)["gpu"] for job in on_cluster.jobs} == {""}


def test_ctrl_c_leaves_no_job_behind(cluster, on_cluster, tmp_path):
    workflow = on_cluster.copied(tmp_path / "interrupted")
    process = cluster.start(workflow, "--forcerun", "train_model", "--", f"{NETWORK}/training/trained.pt")
    try:
        # Its own and the two of the job on the node.
        wait_until(lambda: cluster.queued() and len(list(chaos.at_work_in(workflow.folder))) > 2)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode != 0
    wait_until(lambda: not cluster.queued())
    wait_until(lambda: not list(chaos.at_work_in(workflow.folder)))
    assert cluster.jobs()[-1]["JobState"] == "CANCELLED"


def one(jobs, beginning):
    """The one job whose name begins so."""
    (job,) = [job for job in jobs if name_of(job).startswith(beginning)]
    return job


def name_of(job):
    """Its rule and wildcards, or its group, as the name of its log's folder says."""
    return job["StdOut"].partition("slurm_logs/")[2].rpartition("/")[0].replace("/", "_")


def asked(job):
    """{resource: amount} that a job asked of SLURM; of GPUs, its own words."""
    amounts = dict(amount.split("=") for amount in job["TRES"].split(","))
    wanted = {name: amounts[name] for name in ("cpu", "mem")}
    return {**wanted, "time": job["TimeLimit"], "gpu": job.get("TresPerJob", "").strip()}


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)
