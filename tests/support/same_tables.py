"""Run one study by the code of two commits, and compare every table byte for byte.

    python tests/support/same_tables.py BEFORE AFTER [--config FILE] [--folder FOLDER]

BEFORE and AFTER are commits. Without --config the study is the tests' own with scores, retraining and an export beside.
FOLDER keeps both copies and their results; a second call goes on there. Ends with 1 where a table differs.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from support.studies import TINY  # noqa: E402

MORE = """
retraining: {criteria: [relevance.mean_abs, weight.mean_abs, random.0], levels: [0.5], epochs: 1}
export: [{criterion: relevance.mean_abs, level: 0.5}]
"""
SCORES = "criteria: {scores: [l1, taylor, apoz, {name: fpgm_share, score: fpgm, normalise: layer_share}], "


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs=2, metavar="COMMIT")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    config = arguments.config.read_text("utf-8") if arguments.config else TINY.replace("criteria: {", SCORES) + MORE
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        before, after = (tables(commit, config, folder / commit) for commit in arguments.commits)
    alike = compare(before, after)
    print(f"{len(before)} tables before, {len(after)} after, {alike} the same to the byte")
    return 0 if len(before) == len(after) == alike else 1


def tables(commit, config, folder):
    """{path: content} of every table that the study has by the code of a commit."""
    if not folder.exists():
        folder.mkdir(parents=True)
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
    (folder / "study.yaml").write_text(config, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(folder / "workflow")}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "all", "--configfile", "study.yaml"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    results = folder / "results"
    return {str(path.relative_to(results)): path.read_bytes() for path in sorted(results.rglob("*.csv"))}


def compare(before, after):
    """How many tables are the same; the others are printed."""
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            print(f"{name}: {'differs' if name in before and name in after else 'only in one'}")
    return sum(before[name] == after.get(name) for name in before)


if __name__ == "__main__":
    sys.exit(main())
