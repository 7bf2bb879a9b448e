"""BatchNorm statistics of a pruned network, re-estimated on training images."""

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def reestimate(model: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of every BatchNorm by the mean of those of batches (N, C, H, W), in place.

    As in training, each layer's input is normalised by the batch itself; nothing else is in training mode, and frozen
    layers take part. The variances are the unbiased ones within a batch. Afterwards every module has its mode again.
    """
    with _modes_kept(model):
        model.eval()
        with contextlib.ExitStack() as stack:
            for module in model.modules():
                if isinstance(module, _BatchNorm) and module.track_running_stats:
                    stack.enter_context(_averaging(module))
            for pixels in batches:
                model(pixels)


@contextlib.contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    """Put back the mode of every module after the block."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def _averaging(norm: _BatchNorm) -> Iterator[None]:
    """Let a BatchNorm average the statistics of all batches of the block from zero."""
    momentum = norm.momentum
    norm.reset_running_stats()
    # Without momentum torch gives all batches the same weight.
    norm.momentum, norm.training = None, True
    try:
        yield
    finally:
        norm.momentum = momentum
