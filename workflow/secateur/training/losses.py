"""Losses of a training, of logits (N, classes) and labels (N,).

Labels are targets of 1 for the image's class and 0 for the others, of which `smoothing` is spread evenly over all.
"""

import torch
from torch.nn import functional as F

from secateur.evaluation import measuring


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """The mean cross-entropy, in nats."""
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def squared_error(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """The mean over images of the squared differences between logits and targets, summed over classes."""
    classes = logits.shape[1]
    targets = F.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    return (logits - targets).square().sum(1).mean()


LOSSES = {"cross_entropy": cross_entropy, "squared_error": squared_error}


def _squared_errors(logits, labels):
    return (logits - F.one_hot(labels, logits.shape[1])).square().sum(1).cpu().numpy()


# The same for each image (N,), without smoothing, as validation measures it.
BY_IMAGE = {
    "cross_entropy": measuring.losses_of,
    "squared_error": _squared_errors,
    # Whose targets are no labels: it is validated as others are.
    "distillation": measuring.losses_of,
}
