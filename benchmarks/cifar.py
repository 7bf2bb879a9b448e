"""What several benchmarks measure on: the trained VGG16 and test images of CIFAR-10, from the folder SECATEUR_DATA."""

import os
import tempfile
from pathlib import Path

import torch

from secateur import checkpoints, downloads, images, models, provenance, sources


def network():
    """VGG16 with BatchNorm, trained on CIFAR-10."""
    model = models.build("vgg16_bn", 10).eval()
    return checkpoints.adopt(model, Path(os.environ["SECATEUR_DATA"]) / "vgg16_bn-cifar10.pt")


def shown(count):
    """(images (N, C, H, W) normalised as the network wants them, labels (N,)): the first test images."""
    data = {"source": "cifar10", "size": 32, "color": "rgb", "mean": [0.5] * 3, "std": [0.5] * 3}
    with tempfile.TemporaryDirectory() as place:
        verified = Path(place) / "verified.json"
        found = downloads.fetched(downloads.catalogue()["cifar10"], place, os.environ["SECATEUR_DATA"])
        provenance.write(verified, **found)
        test = sources.opened(data, verified).test
        pixels, labels = test.pixels(0, count), test.labels[:count]
    return images.normalise(torch.from_numpy(pixels), data["mean"], data["std"]), torch.as_tensor(labels)
