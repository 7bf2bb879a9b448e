"""What reading relevance costs in memory and time, for few and for many images: each run is a process of its own.

    python benchmarks/streaming.py [--images 1000 60000] [--model vgg_small] [--size 16] [--batch 100]

Peak memory (of the whole process, torch included) should not depend on the number of images. `ahead` reads,
computes and writes at the same time, as extract_relevance does; `in turns` does one after the other.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch

from secateur import checkpoints, models, overlap, settings

ROOT = Path(__file__).resolve().parent.parent
# Every default.
STUDY = {"data": {"source": "digits", "size": 16}, "model": {"name": "vgg_small"}}
READING = settings.checked(STUDY)["readings"]["relevance"]


def prepare(folder, arguments):
    """A network with random weights, and as many images of random pixels as each run wants."""
    shape = [3, arguments.size, arguments.size]
    about = {"name": arguments.model, "arguments": {"channels": 3}, "classes": list("0123456789"), "shape": shape}
    torch.manual_seed(0)
    checkpoints.save(folder / "trained.pt", models.build(arguments.model, 10, channels=3), about)
    generator = np.random.default_rng(0)
    for count in arguments.images:
        with h5py.File(folder / f"{count}.h5", "w") as file:
            pixels = file.create_dataset("pixels", (count, *shape), np.uint8)
            for start in range(0, count, 1000):
                stop = min(start + 1000, count)
                pixels[start:stop] = generator.integers(0, 256, (stop - start, *shape), np.uint8)
            file["labels"] = generator.integers(0, 10, count)
            file.attrs.update(split="rank", name="random", classes=json.dumps(about["classes"]), complete=True)
            file.attrs.update(mean=np.full(3, 0.5), std=np.full(3, 0.5), split_sha256="", pixels_sha256="")


def measure(folder, count, batch, ahead):
    """Extract in this process; print seconds and peak mebibytes."""
    torch.set_num_threads(1)
    if not ahead:
        overlap.ahead = iter
    script = ROOT / "workflow" / "extract_relevance.py"
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    target = folder / "relevance.h5"
    began = time.perf_counter()
    module.extract_relevance(
        folder / "trained.pt", folder / f"{count}.h5", target, READING, (0, 1), batch, "cpu", "stamp", {}
    )
    seconds = time.perf_counter() - began
    target.unlink()
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 60000])
    parser.add_argument("--model", choices=["vgg_small", "vgg16", "vgg16_bn"], default="vgg_small")
    parser.add_argument("--size", type=int, default=16, help="height and width of the images")
    parser.add_argument("--batch", type=int, default=100, help="images at once")
    parser.add_argument("--measure", nargs=3, metavar=("FOLDER", "IMAGES", "AHEAD"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        folder, count, ahead = arguments.measure
        measure(Path(folder), int(count), arguments.batch, ahead == "ahead")
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), arguments)
        for count in arguments.images:
            for how in ("ahead", "turns"):
                command = [sys.executable, __file__, "--batch", str(arguments.batch), "--measure", folder]
                done = subprocess.run([*command, str(count), how], check=True, capture_output=True, text=True)
                seconds, mebibytes = map(float, done.stdout.split())
                name = {"ahead": "ahead", "turns": "in turns"}[how]
                print(
                    f"{count:6d} images  {name:8s} {count / seconds:8.0f} images/s  peak {mebibytes:6.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
