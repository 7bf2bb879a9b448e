"""Run one study by the code of two commits, and compare every table and figure byte for byte.

    python tests/support/same_tables.py BEFORE AFTER [--config FILE] [--folder FOLDER]

BEFORE and AFTER are commits. Without --config the study is the tests' own with scores and retraining beside.
FOLDER keeps both copies and their results; a second call goes on there. Ends with 1 where a file differs.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow")]

from secateur.study.schema_errors import RENAMED  # noqa: E402
from support.studies import TINY  # noqa: E402

MORE = """
retraining: {criteria: [relevance.mean_abs, weight.mean_abs, random.0], levels: [0.5], epochs: 1}
"""
# What `auto` comes to depends on the machine, and on the version.
EVALUATION = "evaluation: {precision: float32, "
SCORES = "criteria: {scores: [l1, taylor, apoz, {name: fpgm_share, score: fpgm, normalise: layer_share}], "


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs=2, metavar="COMMIT")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.config:
        config = arguments.config.read_text("utf-8")
    else:
        config = TINY.replace("criteria: {", SCORES).replace("evaluation: {", EVALUATION) + MORE
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        before, after = (made(commit, config, folder.resolve()) for commit in arguments.commits)
    alike = compare(before, after)
    print(f"{len(before)} tables and figures before, {len(after)} after, {alike} the same to the byte")
    return 0 if len(before) == len(after) == alike else 1


def made(commit, config, folder):
    """{path: content} of every table and figure that the study has by the code of a commit."""
    folder = folder / subprocess.check_output(["git", "rev-parse", commit], cwd=ROOT, text=True).strip()
    if not (folder / "Snakefile").exists():
        packed = subprocess.check_output(["git", "archive", commit], cwd=ROOT)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(partial, filter="data")
        partial.rename(folder)
    (folder / "study.yaml").write_text(spelled(config, folder), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow")}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "all", "--configfile", "study.yaml"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    results = folder / "results"
    found = sorted(path for path in results.rglob("*") if path.suffix in (".csv", ".svg"))
    return {str(path.relative_to(results)): path.read_bytes() for path in found}


def spelled(config, folder):
    """The study with the keys that the schema in a folder knows."""
    if "mixing:" in (folder / "workflow" / "schemas" / "config.schema.yaml").read_text("utf-8"):
        return config
    study = yaml.safe_load(config)
    mixing = study["criteria"].pop("mixing", {})
    for old, new in RENAMED.items():
        _, _, key = new.rpartition(".")
        if key in mixing:
            study["criteria"][old.rpartition(".")[2]] = mixing[key]
    return yaml.safe_dump(study, sort_keys=False)


def compare(before, after):
    """How many files are the same; the others are printed."""
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            print(f"{name}: {'differs' if name in before and name in after else 'only in one'}")
    return sum(before[name] == after.get(name) for name in before)


if __name__ == "__main__":
    sys.exit(main())
