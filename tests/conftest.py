"""What several tests share: small networks and random images in float64."""

import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import warm_python


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def small_vgg(generator_seed=0, norm=True):
    """Two convolutions, a pool, one more, a flatten, two linear layers; BatchNorm with statistics of its own."""
    torch.manual_seed(generator_seed)

    def block(inputs, outputs):
        return [
            nn.Conv2d(inputs, outputs, 3, padding=1),
            *([nn.BatchNorm2d(outputs)] if norm else []),
            nn.ReLU(inplace=True),
        ]

    features = nn.Sequential(*block(3, 6), *block(6, 8), nn.MaxPool2d(2), *block(8, 10), nn.MaxPool2d(2))
    classifier = nn.Sequential(nn.Linear(10 * 4, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 5))
    model = nn.Sequential()
    model.features, model.flatten, model.classifier = features, nn.Flatten(), classifier
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.double().eval()


@pytest.fixture
def network():
    return small_vgg()


@pytest.fixture
def pictures():
    return torch.randn(8, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


# ---- who runs what -------------------------------------------------------------------------------------------


def pytest_configure(config):
    """Start the Python that the studies run on, one for all workers."""
    if sys.platform == "linux" and "WARM_PYTHON" not in os.environ:
        stack = contextlib.ExitStack()
        os.environ["WARM_PYTHON"] = stack.enter_context(warm_python.running())
        stack.callback(os.environ.pop, "WARM_PYTHON")
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(items):
    """Several workers begin with the studies, which take longest."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.get_closest_marker("study") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A worker takes all tests of the small study, or else all of a file, so that what they share is made once.

    pytest-xdist 3.8 has marks for this, which do nothing under pytest 9.2 (its issue 1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return shared_by(nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@functools.cache
def shared_by(path):
    """What the tests of a file share: the small study if it mentions it."""
    return "tiny_study" if "tiny_study" in (ROOT / path).read_text(encoding="utf-8") else path


# ---- a small study, run once through Snakemake ---------------------------------------------------------------

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "rules", "workflow", "config", "profiles", "envs", "report", "data/sources.yaml")
TINY = """
study: tiny
question: "Does every rule run?"
data: {source: digits, size: 16}
split: {rank: 60, validation: 60, test: 120}
model: {name: vgg_small, arguments: {widths: [4, 4, 6, 6, 8, 8], hidden: 12}}
training: {seeds: [0, 1], epochs: 2, batch_size: 32, learning_rate: 0.05, flip: false}
readings:
  relevance: {}
  thesis: {at: next_input, pool: gradient, split: test, absolute: after_mean, reduce: mean}
criteria: {statistics: [mean_abs, max], deltas: ["0.0", "0.5"], random: 2}
evaluation: {keep_at_least: [0, 0.1], choose_on: validation}
levels: [0, 0.5, 0.75]
verdict: {page: results/verdict.md, ours: relevance, faithful: thesis}
"""


class Workflow:
    """A copy of the workflow in a folder of its own, and Snakemake run there."""

    def __init__(self, folder, config=TINY):
        self.folder = folder
        for part in PARTS:
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, target, **({"ignore": IGNORED} if (ROOT / part).is_dir() else {}))
        (folder / "config" / "config.yaml").write_text(config)
        # The copy's package before the installed one: the scripts refuse any other.
        self.environment = os.environ | {"PYTHONPATH": str(folder / "workflow"), "OMP_WAIT_POLICY": "PASSIVE"}
        self.environment.pop("SECATEUR_DATA", None)

    def command(self, *arguments, cold=False):
        """Snakemake's command; `cold`, with interpreters of their own for it and for its jobs."""
        python = os.environ.get("WARM_PYTHON", sys.executable)
        return [sys.executable if cold else python, "-m", "snakemake", *arguments]

    def run(self, *arguments, check=True, cold=False, **options):
        """Run Snakemake in the folder; its output is one text."""
        done = subprocess.run(
            self.command(*arguments, cold=cold), cwd=self.folder, env=self.environment | options.pop("env", {}),
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, **options,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def planned(self, *arguments):
        """{rule: number of jobs} that Snakemake would run."""
        text = self.run("-n", "--quiet=rules", *(arguments or ("all", "report")))
        table = re.search(r"^-+ +-+\n(.*?)^total", text, flags=re.M | re.S)
        rows = dict(line.split() for line in table.group(1).splitlines()) if table else {}
        return {rule: int(count) for rule, count in rows.items() if rule != "all"}


IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory):
    """A small study over all rules, finished, with its report."""
    workflow = Workflow(tmp_path_factory.mktemp("study"))
    workflow.output = workflow.run("--cores", "2", "all", "report")
    return workflow
