"""A training that takes a second: two classes of images in memory, and its options."""

import copy

import numpy as np
import torch
from torch import nn

from secateur.models import zoo

OPTIONS = {
    "epochs": 4,
    "batch_size": 16,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "schedule": "one_cycle",
    "milestones": [0.5, 0.75],
    "warm_up": 0,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "clip": None,
    "loss": "cross_entropy",
    "label_smoothing": 0.1,
    "flip": True,
    "rotation": 10,
    "crop": 0,
    "precision": "float32",
    "select": "validation_loss",
}


class Images:
    """Images in memory, as `images.store.opened` yields them: two classes, bright above or bright below, in noise."""

    mean, std, classes, name = (0.5,), (0.5,), ("above", "below"), "halves"

    def __init__(self, count, seed):
        generator = np.random.default_rng(seed)
        self.identity = f"halves {count} {seed}"
        self.labels = generator.integers(0, 2, count)
        self.pixels = generator.integers(0, 120, (count, 1, 8, 8)).astype(np.uint8)
        for label, pixels in zip(self.labels, self.pixels, strict=True):
            pixels[0, 4 * label : 4 * label + 4] += 100

    def __len__(self):
        return len(self.labels)

    def taken(self, rows):
        images = copy.copy(self)
        images.pixels, images.labels = self.pixels[rows], self.labels[rows]
        return images

    def normalised(self, rows):
        return (torch.from_numpy(self.pixels[rows]).float() / 255 - 0.5) / 0.5


TRAIN, VALIDATION = Images(53, 0), Images(24, 1)


def network(dropout=True):
    """A small VGG with dropout, so that every source of randomness is in play."""
    torch.manual_seed(5)
    model = zoo.build("vgg_small", 2, widths=[4] * 6, hidden=6, channels=1)
    model.classifier[1] = nn.Sequential(nn.ReLU(), nn.Dropout(0.3)) if dropout else model.classifier[1]
    return model


def same(model, other):
    mine, others = model.state_dict(), other.state_dict()
    return all(torch.equal(mine[name], others[name]) for name in others)


class Killed(BaseException):
    """A stand-in for kill -9, which no `except Exception` catches."""
