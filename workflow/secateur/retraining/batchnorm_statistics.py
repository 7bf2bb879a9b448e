"""BatchNorm statistics of a pruned network, estimated anew from training images."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def reestimate(model: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of every BatchNorm by the mean of those of batches (N, C, H, W), in place.

    As in training each layer sees its inputs normalised by the batch itself; nothing else is in training mode, and
    frozen layers take part. The variances are the unbiased ones within a batch. Every mode is put back.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        # Without momentum torch averages all batches alike.
        norm.momentum, norm.training = None, True
    try:
        for pixels in batches:
            model(pixels)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in before:
            module.training = mode
