"""Distillation: the loss by which a network learns the answers of another one, its teacher."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

# The temperature at which answers are compared (Hinton et al., 2015, whose labels have no part here).
TEMPERATURE = 4.0


def loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """T^2 KL(softmax(wanted / T) || softmax(logits / T)), the mean over images of logits (N, classes), in nats."""
    difference = F.kl_div(
        F.log_softmax(logits / TEMPERATURE, 1),
        F.log_softmax(wanted / TEMPERATURE, 1),
        reduction="batchmean",
        log_target=True,
    )
    return TEMPERATURE**2 * difference


def of(teacher: nn.Module) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss of a `hooks.Hook`: the answers of the teacher, in eval mode, on the same images, without labels."""
    teacher.requires_grad_(False).eval()

    def distilled(logits, labels, pixels):
        with torch.no_grad():
            wanted = teacher(pixels)
        return loss(logits, wanted.float())

    return distilled
