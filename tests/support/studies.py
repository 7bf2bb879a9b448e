"""A copy of the workflow in a folder of its own, and a small study."""

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


PARTS = ("Snakefile", "rules", "workflow", "config", "profiles", "envs", "report", "data/sources.yaml")


# Few images, and a network of few channels.
ON_DIGITS = """\
data: {source: digits, size: 16}
split: {rank: 60, validation: 60, test: 120}
model: {name: vgg_small, arguments: {widths: [4, 4, 6, 6, 8, 8], hidden: 12}}
"""
TINY = f"""
study: tiny
question: "Does every rule run?"
{ON_DIGITS}"""
TINY += """\
training: {seeds: [0, 1], epochs: 2, batch_size: 32, learning_rate: 0.05, flip: false}
readings:
  relevance: {}
  thesis: {at: next_input, pool: gradient, split: test, absolute: after_mean, reduce: mean}
criteria: {statistics: [mean_abs, max], mixing: {deltas: ["0.0", "0.5"]}, random: 2}
evaluation: {keep_at_least: [0, 0.1], choose_on: validation}
levels: [0, 0.5, 0.75]
verdict: {page: results/verdict.md, ours: relevance, faithful: thesis}
"""
WIDTHS = {4: 2, 6: 3, 8: 4}
# Every stage, each as short as can be.
EVERYTHING = {
    "study": "everything",
    **yaml.safe_load(ON_DIGITS),
    "training": {"seeds": [0], "epochs": 3, "batch_size": 32, "learning_rate": 0.05, "flip": False},
    "readings": {"relevance": {"shards": 2}},
    "criteria": {
        "statistics": ["mean_abs"],
        "controls": False,
        "random": 1,
        "mixing": {"deltas": ["0.5"]},
        "scores": ["l1", "taylor"],
        "allocated": ["l1"],
        "rescored": [{"criterion": "taylor", "steps": 2}],
        "learned": [
            {"name": "gates.mlp", "widths": WIDTHS, "epochs": 2},
            {"name": "scorer.own", "widths": WIDTHS, "epochs": 2},
            {"name": "scorer.evolved", "widths": WIDTHS, "fit": "evolution", "epochs": 2},
        ],
    },
    "levels": [0.5],
    "evaluation": {
        "recovery": ["none", "batchnorm", "reconstructed"],
        "choose_on": "validation",
        "keep_at_least": [0.25],
    },
    "recovery": {"images": 40, "steps": 100},
    "retraining": {
        "criteria": [{"criterion": "l1", "kinds": ["reconstructed", "distilled", "retrained"]}],
        "levels": [0.5],
        "epochs": 2,
    },
    "sparsity": {"levels": [0.9], "variants": {"feather": {}}},
    "tickets": {"sparsity": [0.6], "rounds": 2, "kinds": ["sign"]},
    "export": [{"criterion": "l1", "level": 0.5}],
}


class Workflow:
    """A copy of the workflow in a folder of its own, and Snakemake run there."""

    def __init__(self, folder, config=TINY):
        self.folder = folder
        for part in PARTS:
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, target, ignore=IGNORED)
            else:
                shutil.copy2(ROOT / part, target)
        (folder / "config" / "config.yaml").write_text(config)
        # The copy's package before the installed one: the scripts refuse any other.
        self.environment = os.environ | {"PYTHONPATH": str(folder / "workflow"), "OMP_WAIT_POLICY": "PASSIVE"}
        self.environment.pop("SECATEUR_DATA", None)
        # Without compiled modules a study's hundred jobs would compile the package a hundred times.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def copied(self, folder):
        """The same workflow in another folder, with all that has run."""
        shutil.copytree(self.folder, folder)
        other = copy.copy(self)
        other.folder, other.environment = folder, self.environment | {"PYTHONPATH": str(folder / "workflow")}
        return other

    def command(self, *arguments, cold=False):
        """Snakemake's command; `cold`, with interpreters of their own for it and for its jobs."""
        python = sys.executable
        if not cold:
            python = os.environ.get("WARM_PYTHON", python)
        return [python, "-m", "snakemake", *arguments]

    def run(self, *arguments, check=True, cold=False, **options):
        """Run Snakemake in the folder; its output is one text."""
        done = subprocess.run(
            self.command(*arguments, cold=cold), cwd=self.folder, env=self.environment | options.pop("env", {}),
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, **options,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def planned_with(self, settings, *arguments):
        """{rule: count of jobs} that Snakemake would run after an edit of the settings, which is taken back."""
        config = self.folder / "config" / "config.yaml"
        kept = self.folder / "config" / "kept.yaml"
        # A copy keeps the time stamp.
        shutil.copy2(config, kept)
        try:
            config.write_text(yaml.safe_dump(settings, sort_keys=False))
            return self.planned(*arguments)
        finally:
            kept.replace(config)

    def planned(self, *arguments):
        """{rule: count of jobs} that Snakemake would run."""
        text = self.run("-n", "--quiet=rules", *(arguments or ("all", "report")))
        table = re.search(r"^-+ +-+\n(.*?)^total", text, flags=re.M | re.S)
        if table is None:
            return {}
        rows = dict(map(str.split, table.group(1).splitlines()))
        rows.pop("all", None)
        return dict(zip(rows, map(int, rows.values()), strict=True))


IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


def finished(folder, settings):
    """A Workflow in a folder, of which all rules have run; `settings` are a study's, as a dict."""
    workflow = Workflow(folder, yaml.safe_dump(settings, sort_keys=False))
    workflow.run("--cores", "2", "all")
    return workflow
