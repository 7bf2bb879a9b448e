"""Peak memory of relevance extraction by count of images, which should not grow, and images per second.

    python benchmarks/streaming.py [--images 1000 10000 60000] [--size 16] [--no-copy] [--narrow]

Each count of images runs in a process of its own, on random images of one channel and a vgg_small with random
weights, through the function that the workflow's script calls. With --no-copy the images are JPEG files that are
decoded when they are read (`data.copy: false`), a thousand different ones under many names; with --narrow the network
has few channels. Anonymous memory cannot be released while a job runs; the resident peak also counts pages of the
mapped image file, which the system drops when it needs them.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READING = {
    "rule": "alpha2beta1", "bias": False, "pool": "proportional", "at": "output", "target": "predicted",
    "seed": "one", "precision": "float32", "images": None, "classes": None, "until": None,
}  # fmt: skip


def anonymous():
    """Anonymous resident memory of this process in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+)", status, flags=re.M)[1]) / 1024


def watched(peak, done):
    while not done.wait(0.05):
        peak[0] = max(peak[0], anonymous())


def as_files(folder, count, pixels):
    """Write `count` JPEG files below train/ and 60 below test/, of a thousand different images."""
    import os

    from PIL import Image

    for row, image in enumerate(pixels(0, 1000)):
        Image.fromarray(image[0]).save(folder / f"{row}.jpeg", quality=90)
    for part, images in (("train", count + 60), ("test", 60)):
        for label in range(10):
            (folder / part / str(label)).mkdir(parents=True)
        for row in range(images):
            os.link(folder / f"{row % 1000}.jpeg", folder / part / str(row % 10) / f"{row}.jpeg")


def child(count, size, copy, narrow):
    """Prepare images and a network, extract, and print the peaks."""
    import numpy as np
    import torch

    sys.path.insert(0, str(ROOT / "workflow"))
    from extract_relevance import extract_relevance
    from secateur.images import arrays, image_folder, splits, writing
    from secateur.models import checkpoints, zoo
    from secateur.models.description import NetworkDescription

    torch.set_num_threads(1)
    generator = np.random.default_rng(0)

    def pixels(start, stop):
        return generator.integers(0, 256, (stop - start, 1, size, size), dtype=np.uint8)

    data = {"source": "random", "name": "random", "size": size, "color": "gray", "mean": [0.5], "std": [0.5]}
    with tempfile.TemporaryDirectory() as folder:
        if copy:
            part = arrays.Part(np.arange(count + 60) % 10, pixels)
            source = arrays.Source(tuple("0123456789"), part, arrays.Part(np.arange(60) % 10, pixels))
        else:
            data |= {"copy": False, "folder": folder}
            as_files(Path(folder), count, pixels)
            source = image_folder.image_folder(data, None)
        start = time.monotonic()
        paths = {split: Path(folder) / f"{split}.h5" for split in ("train", "rank", "validation", "test")}
        split = {"seed": 0, "rank": 30, "validation": 30, "train": None, "test": None, "rank_from": "train"}
        writing.write(source, splits.divided(source, split), paths, data, {})
        prepared = time.monotonic() - start
        architecture = {"channels": 1} | ({"widths": [1, 1, 2, 2, 2, 2], "hidden": 4} if narrow else {})
        model = zoo.build("vgg_small", 10, **architecture)
        described = NetworkDescription("vgg_small", architecture, tuple("0123456789"), (1, size, size))
        checkpoints.save(Path(folder) / "network.pt", model, described, {})
        peak, done, start = [0.0], threading.Event(), time.monotonic()
        watcher = threading.Thread(target=watched, args=(peak, done))
        watcher.start()
        extract_relevance(
            Path(folder) / "network.pt",
            paths["train"],
            None,
            Path(folder) / "relevance.h5",
            READING,
            shard=(0, 1),
            images_per_batch=100,
            device="cpu",
            stamp="",
            record={},
        )
        done.set()
        watcher.join()
        seconds = time.monotonic() - start
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {"images": count, "anonymous": peak[0], "resident": resident, "rate": count / seconds, "prepared": prepared}
    print(json.dumps(row))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10000, 60000])
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--no-copy", action="store_true")
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, arguments.size, not arguments.no_copy, arguments.narrow)
    flags = ["--no-copy"] * arguments.no_copy + ["--narrow"] * arguments.narrow
    for count in arguments.images:
        command = [sys.executable, __file__, "--child", str(count), "--size", str(arguments.size), *flags]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        row = json.loads(output.splitlines()[-1])
        print(
            f"{row['images']:6d} images: anonymous peak {row['anonymous']:6.0f} MB, "
            f"resident peak {row['resident']:6.0f} MB, {row['rate']:6.0f} images/s, "
            f"prepared in {row['prepared']:.0f} s",
            flush=True,
        )
    return None


if __name__ == "__main__":
    main()
