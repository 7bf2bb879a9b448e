"""Trained networks, test images of CIFAR-10 and their relevance, from the folder SECATEUR_DATA."""

import os
import tempfile
from pathlib import Path

import torch

from secateur.artifacts import provenance
from secateur.images import downloads, sources, store
from secateur.models import state_dicts, zoo
from secateur.relevance import propagation

# Weights trained on CIFAR-10: (file, mean, standard deviation of its images).
TRAINED = {
    "vgg16_bn": ("vgg16_bn-cifar10.pt", [0.5] * 3, [0.5] * 3),
    "resnet20": ("resnet20-12fca82f.th", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "resnet32": ("resnet32-d509ac18.th", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "resnet56": ("resnet56-4bfd9763.th", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}


def network(name="vgg16_bn"):
    """A network of TRAINED, by default VGG16 with BatchNorm."""
    model = zoo.build(name, 10).eval()
    return state_dicts.adopt(model, Path(os.environ["SECATEUR_DATA"]) / TRAINED[name][0])


def shown(count, name="vgg16_bn"):
    """(images (N, C, H, W), normalised for a network of TRAINED, labels (N,)) of the first test images."""
    _, mean, std = TRAINED[name]
    data = {"source": "cifar10", "size": 32, "color": "rgb", "mean": mean, "std": std}
    with tempfile.TemporaryDirectory() as place:
        verified = Path(place) / "verified.json"
        facts = downloads.fetched(downloads.catalogue()["cifar10"], place, os.environ["SECATEUR_DATA"])
        provenance.write(verified, **facts)
        test = sources.opened(data, verified).test
        pixels, labels = test.pixels(0, count), test.labels[:count]
    return store.normalise(torch.from_numpy(pixels), data["mean"], data["std"]), torch.as_tensor(labels)


def relevance(model, images, dtype):
    """{layer: (mean of R, mean of abs(R)), each (C, H, W) float64} by the default reading."""
    propagator, sums = propagation.Propagator(model, dtype=dtype), {}
    for part in images.split(50):
        for layer, R in propagator(part)[0].items():
            R = R.double()
            signed, absolute = sums.get(layer, (0, 0))
            sums[layer] = signed + R.sum(0), absolute + R.abs().sum(0)
    maps = {}
    for layer, (signed, absolute) in sums.items():
        maps[layer] = (signed / len(images)).numpy(), (absolute / len(images)).numpy()
    return maps
