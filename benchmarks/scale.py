"""The constants behind docs/scale.md, and bytes and core-hours of a study of ImageNet's size by stage.

    python benchmarks/scale.py [--network resnet50] [--size 224] [--batch 16] [--rounds 3]

Random weights, and JPEG images of 500 x 375 pixels of about the bytes that ImageNet's have; one thread, float32, CPU
time, medians of interleaved rounds. Reading, training and the rest are measured in forward passes of the dense network;
bytes are those of the files that the workflow's own functions write. The second table multiplies: the counts of a study
stand in STUDY.
"""

import argparse
import copy
import io
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import networks
from extract_relevance import extract_relevance
from secateur import ranking
from secateur.artifacts import correctness
from secateur.criteria import from_images, from_weights
from secateur.evaluation import measuring
from secateur.images import image_folder, splits, store, writing
from secateur.models import checkpoints
from secateur.models.description import NetworkDescription
from secateur.pruning import groups, plans, reconstruction, removal
from secateur.relevance import propagation
from secateur.units import coupling, finding
from sparsity import processor, spent

READING = {
    "rule": "alpha2beta1", "bias": False, "pool": "proportional", "at": "output", "target": "predicted",
    "seed": "one", "precision": "float32", "images": None, "classes": None, "until": None,
}  # fmt: skip
# ImageNet: images to train on, to rank by and to report on; and the study of docs/scale.md.
STUDY = {
    "train": 1_281_167, "rank": 10_000, "test": 50_000, "seeds": 3, "epochs": 90, "readings": 1, "scores": 4,
    "criteria": 50, "levels": 5, "left": 0.6, "calibration": 500, "retrained": 10, "retrained_epochs": 10,
}  # fmt: skip


def photographs(count):
    """(pixels of a JPEG, bytes) of smooth random images, with the noise that makes them as large as photographs."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for _ in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((500, 375))
        noisy = np.asarray(coarse).astype(int) + generator.normal(0, 14, (375, 500, 3))
        content = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(content, "jpeg", quality=93)
        yield content.getvalue()


class Bench:
    """A network, images in a folder, and a study's files beside them."""

    def __init__(self, folder, name, size, batch):
        self.folder, self.batch = Path(folder), batch
        for part, label, row, content in self._placed(list(photographs(2 * batch))):
            path = self.folder / part / str(label) / f"{row}.jpeg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self.encoded = len(content)
        data = {"source": "image_folder", "name": "mine", "size": size, "color": "rgb", "mean": [0.5] * 3}
        data |= {"std": [0.25] * 3, "folder": folder, "copy": False}
        split = {"seed": 0, "rank": 2 * batch, "validation": 2 * batch, "train": None, "test": None}
        self.data = data
        source = image_folder.image_folder(data, None)
        self.paths = {name: self.folder / f"{name}.h5" for name in ("train", "rank", "validation", "test")}
        writing.write(source, splits.divided(source, split | {"rank_from": "train"}), self.paths, data, {})
        torch.manual_seed(0)
        self.model = networks.settled(name, classes=2, size=size)
        classes = tuple(map(str, range(2)))
        described = NetworkDescription(name, {}, classes, (3, size, size))
        # Of its own, because training moves BatchNorm's statistics.
        self.trained = copy.deepcopy(self.model).train()
        self.network = self.folder / "network.pt"
        checkpoints.save(self.network, self.model, described, {})
        with store.opened(self.paths["rank"]) as images:
            self.images, self.pixels = images, images.normalised(slice(0, batch))
        self.labels = torch.arange(batch) % 2
        self.propagator = propagation.Propagator(self.model)
        self.quick = measuring.prepared(self.model)
        self.coupled = coupling.followed(self.model, self.pixels[:1])
        self.channels, self.units = self._half()

    def _placed(self, contents):
        for part, times in (("train", 4), ("test", 1)):
            for row, content in enumerate(contents * times):
                yield part, row % 2, row, content

    def _half(self):
        units = finding.table(finding.find(self.model, self.pixels[:1]))
        scored = from_weights.of_weights(self.model, "l2", list(dict.fromkeys(units["layer"])))
        values = [scored[layer][index] for layer, index in zip(units["layer"], units["channel"], strict=True)]
        order = ranking.table(ranking.of_scores(units.assign(score=values), units, scope="layer"), units)
        return plans.plan(order, 0.5, coupled=self.coupled), units["unit"].nunique()

    # What is timed, each on one batch.

    def decode(self):
        self.images.pixels[: self.batch]

    @torch.no_grad()
    def forward(self):
        self.model(self.pixels)

    def evaluate(self):
        measuring.over(self.quick, [(self.pixels, self.labels)])

    def train(self):
        nn.functional.cross_entropy(self.trained(self.pixels), self.labels).backward()
        self.trained.zero_grad()

    def relevance(self):
        self.propagator(self.pixels)

    def score(self):
        from_images.of_images(self.model, "taylor", [(self.pixels, self.labels)])

    def reconstruct(self):
        dense = reconstruction.Dense(self.coupled, self.pixels, "patches")
        smaller = removal.removed(self.model, self.channels, self.pixels[:1], self.coupled)
        reconstruction.refit(smaller, dense, groups.removed_by(self.coupled, self.channels), "online")


TIMED = ("decode", "evaluate", "train", "relevance", "score", "reconstruct")


def seconds(bench, rounds):
    """{name: (CPU seconds per image, forward passes)}, medians of interleaved rounds."""
    bench.forward()
    found = {name: [] for name in ("forward", *TIMED)}
    for _ in range(rounds):
        for name in found:
            found[name].append(spent(getattr(bench, name)) / bench.batch)
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {name: (value, value / medians["forward"]) for name, value in medians.items()}


def sizes(bench):
    """{file: bytes per image or per network}, as the workflow's functions write them."""
    written = {}
    for most in (bench.batch, 2 * bench.batch):
        path = bench.folder / f"relevance{most}.h5"
        reading = READING | {"images": most}
        extract_relevance(
            bench.network, bench.paths["rank"], None, path, reading, shard=(0, 1), images_per_batch=bench.batch,
            device="cpu", stamp="", record={},
        )  # fmt: skip
        written[most] = path.stat().st_size
    generator = np.random.default_rng(0)
    right, losses = generator.random((1, 50_000)) < 0.7, generator.exponential(1, (1, 50_000))
    correctness.write(list(right), bench.folder / "right.h5", list(losses))
    return {
        "encoded": bench.encoded,
        "listed": listed(bench),
        "pixels": int(np.prod(bench.pixels.shape[1:])),
        "network": bench.network.stat().st_size,
        "relevance": (written[2 * bench.batch] - written[bench.batch]) / bench.batch,
        "maps": 2 * written[bench.batch] - written[2 * bench.batch],
        "plan": (bench.folder / "right.h5").stat().st_size / 50_000,
    }


def listed(bench):
    """The bytes that one image more takes in the file of a split whose pixels are not copied, by ImageNet's names."""
    found = {}
    image = next(bench.folder.rglob("*.jpeg"))
    for count in (500, 2500):
        folder = bench.folder / f"listed{count}"
        for part in ("train", "test"):
            for row in range(count):
                path = folder / part / f"n0144076{row % 2}" / f"{row:04d}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(image, path)
        data = dict(bench.data, folder=str(folder))
        source = image_folder.image_folder(data, None)
        split = {"seed": 0, "rank": 2, "validation": 2, "train": None, "test": None, "rank_from": "train"}
        paths = {name: folder / f"{name}.h5" for name in bench.paths}
        writing.write(source, splits.divided(source, split), paths, data, {})
        found[count] = paths["test"].stat().st_size
    return (found[2500] - found[500]) / 2000


def stages(cost, size, study):
    """(stage, gigabytes, core-hours, formula) of a study."""
    seeds, images = study["seeds"], study["train"] + study["test"]
    plans_of = study["criteria"] * study["levels"]
    hours = {name: value / 3600 for name, (value, _) in cost.items()}
    step = hours["train"] + hours["decode"]
    tested = study["test"] * (hours["evaluate"] * study["left"] + hours["decode"])
    yield "images, copied", size["pixels"] * images / 1e9, hours["decode"] * images, "images x (decode)"
    yield "images, listed", size["listed"] * images / 1e9, hours["decode"] * images, "images x (decode)"
    yield (
        "training", 2 * size["network"] * seeds / 1e9, seeds * study["epochs"] * study["train"] * step,
        "seeds x epochs x train x (train + decode)",
    )  # fmt: skip
    yield (
        "relevance", seeds * study["readings"] * (size["relevance"] * study["rank"] + size["maps"]) / 1e9,
        seeds * study["readings"] * study["rank"] * (hours["relevance"] + hours["decode"]),
        "seeds x readings x rank x (relevance + decode)",
    )  # fmt: skip
    yield (
        "scores", 0, seeds * study["scores"] * study["rank"] * (hours["score"] + hours["decode"]),
        "seeds x scores x rank x (score + decode)",
    )  # fmt: skip
    yield (
        "evaluation", seeds * plans_of * study["test"] * size["plan"] * 2 / 1e9, seeds * plans_of * tested,
        "seeds x criteria x levels x test x (evaluate x share left + decode)",
    )  # fmt: skip
    yield (
        "evaluation, reconstructed", seeds * plans_of * study["test"] * size["plan"] * 2 / 1e9,
        seeds * plans_of * (tested + study["calibration"] * hours["reconstruct"]),
        "the same + seeds x criteria x levels x calibration x reconstruct",
    )  # fmt: skip
    yield (
        "retraining", seeds * study["retrained"] * size["network"] * study["left"] / 1e9,
        seeds * study["retrained"] * study["retrained_epochs"] * study["train"] * step * study["left"],
        "seeds x cells x epochs x train x (train + decode) x share left",
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{processor()}, torch {torch.__version__}; {arguments.network}, {arguments.size} pixels", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, arguments.network, arguments.size, arguments.batch)
        cost, size = seconds(bench, arguments.rounds), sizes(bench)
    print(f"{bench.units} units")
    print("\n| per image | CPU seconds | forward passes |\n|---|---|---|")
    for name, (value, passes) in cost.items():
        print(f"| {name} | {value:.4f} | {passes:.2f} |")
    print("\n| bytes | |\n|---|---|")
    for name, value in size.items():
        print(f"| {name} | {value:,.0f} |")
    print("\n| stage | GB | core-hours | formula |\n|---|---|---|---|")
    for stage, gigabytes, hours, formula in stages(cost, size, STUDY):
        print(f"| {stage} | {gigabytes:,.2f} | {hours:,.1f} | {formula} |")


if __name__ == "__main__":
    main()
