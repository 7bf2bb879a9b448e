"""How much the tables of one study differ between runs, counts of threads and instruction sets.

    python benchmarks/determinism.py

A small study runs as it is, by more jobs at once with its relevance in shards, with two threads in every job, and
with the instructions of older processors alone, which stands for another machine. Each is compared with the first: how
many of its tables are the same to the byte, and how far the numbers of the others are away. A network that is trained
otherwise in its last digits is another network in the end, so what follows training is compared once more from the
first run's networks.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas
import yaml

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from support.studies import Workflow  # noqa: E402

STUDY = {
    "study": "determinism",
    "question": "Which numbers depend on where they are computed?",
    "data": {"source": "digits", "size": 16},
    "split": {"rank": 180, "validation": 180, "test": 360},
    "model": {"name": "vgg_small", "arguments": {"widths": [8, 8, 16, 16, 32, 32]}},
    "training": {"seeds": [0], "epochs": 5, "batch_size": 64, "learning_rate": 0.1},
    "readings": {"relevance": {}},
    "criteria": {"statistics": ["mean_abs"], "scores": ["taylor"], "mixing": {"deltas": ["0.5"]}, "random": 2},
    "levels": [0.25, 0.5],
    "evaluation": {"recovery": ["none", "reconstructed"]},
}
OLD = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
# Name: settings, arguments of Snakemake, environment.
RUNS = {
    "again": ({}, ["--cores", "1"], {}),
    "two jobs at once, four shards": ({"readings": {"relevance": {"shards": 4}}}, ["--cores", "2"], {}),
    "two threads": ({"threads": 2}, ["--cores", "2"], {}),
    "older instructions": ({}, ["--cores", "1"], OLD),
}
KINDS = ("tables/*.csv", "*/*/*/statistics/*.csv", "*/*/*/evaluation/*.csv", "*/*/*/ranking/*.csv")


def run(folder, settings, arguments, environment, trained=None):
    """The results folder of the study, run in a folder of its own, with the `trained` networks of another one."""
    workflow = Workflow(folder, yaml.safe_dump(STUDY | settings, sort_keys=False))
    if trained is not None:
        for part in ("digits/images", "digits/vgg_small/0/training"):
            shutil.copytree(trained / part, folder / "results" / part)
        # What is copied is older than its record, and counts as made.
        arguments = [*arguments, "--rerun-triggers", "mtime"]
    workflow.run(*arguments, "--", "all", env=environment)
    return folder / "results"


def differences(first, other):
    """{kind of table: (same to the byte, tables, largest difference relative to the largest value of its column)}."""
    found = {}
    for kind in KINDS:
        same, most, paths = 0, 0.0, sorted(first.glob(kind))
        for path in paths:
            name = path.relative_to(first)
            if path.read_bytes() == (other / name).read_bytes():
                same += 1
            else:
                most = max(most, apart(pandas.read_csv(path), pandas.read_csv(other / name)))
        found[kind.rpartition("/")[0].rpartition("/")[2]] = same, len(paths), most
    return found


def apart(one, other):
    """The largest difference of two tables' numbers, relative to the largest value of its column."""
    if one.shape != other.shape:
        return np.inf
    largest = 0.0
    for column in one.select_dtypes("number"):
        values = one[column].to_numpy(float)
        distance = np.nanmax(np.abs(values - other[column].to_numpy(float)), initial=0)
        largest = max(largest, distance / max(np.nanmax(np.abs(values), initial=0), 1e-300))
    return largest


def main():
    with tempfile.TemporaryDirectory() as place:
        first = run(Path(place, "first"), {}, ["--cores", "1"], {})
        for name, chosen in RUNS.items():
            for trained in (None, first):
                label = name if trained is None else f"{name}, from the networks of the first run"
                if trained is not None and name == "again":
                    continue
                folder = Path(place, label)
                for kind, (same, count, most) in differences(first, run(folder, *chosen, trained)).items():
                    print(
                        f"{label}; {kind}: {same} of {count} tables the same; largest difference {most:.2g}", flush=True
                    )
                shutil.rmtree(folder)


if __name__ == "__main__":
    main()
