"""Masks of weights: which are left, on disk eight to a byte, and held in every step of a training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from secateur import Refused
from secateur.artifacts import files
from secateur.sparsity.weights import Weights, prunable, zeros_at
from secateur.study.levels import fraction
from secateur.training.hooks import Hook

# {name of a weight: bool in its shape, true where the weight is left}.
Masks = dict[str, Tensor]


@torch.no_grad()
def pruned(model: nn.Module, sparsity: float, before: Masks | None = None) -> Masks:
    """The masks without the smallest weights of a model, of all layers together, at the exact share `sparsity`.

    Weights that `before` has closed stay so: they count among the zeros. Raises Refused for a level below theirs, and
    for one that leaves a layer without weights.
    """
    weights = Weights(model)
    zeros = zeros_at(fraction(sparsity), weights.count)
    closed = None
    if before is not None:
        closed = torch.cat([~before[name].flatten() for name in weights.by_name]).to(weights.row.device)
        already = int(closed.count_nonzero())
        if already > zeros:
            raise Refused(f"{already} weights are closed, but a sparsity of {sparsity:g} closes only {zeros}")
    weights.close(zeros, closed)
    left = {name: ~mask.cpu() for name, (_, mask) in zip(weights.by_name, weights.views(weights.closed), strict=True)}
    refuse_empty(left, sparsity)
    return left


def refuse_empty(masks: Masks, sparsity: float) -> None:
    """Refused for masks that leave a layer without weights."""
    empty = [name.removesuffix(".weight") for name, mask in masks.items() if not mask.any()]
    if empty:
        raise Refused(
            f"a sparsity of {sparsity:g} leaves no weight in {', '.join(empty)}, so that all images get the same "
            "outputs; set tickets.sparsity lower"
        )


def zeros_of(masks: Masks) -> int:
    """The count of weights that are not left."""
    return sum(int((~mask).count_nonzero()) for mask in masks.values())


def left_of(masks: Masks) -> dict[str, float]:
    """{name of a weight: the share that is left}."""
    return {name: int(mask.count_nonzero()) / mask.numel() for name, mask in masks.items()}


# ---- files ---------------------------------------------------------------------------------------------------


def write(path: Path | str, masks: Masks, facts: Mapping[str, Any]) -> None:
    """Write masks, eight weights to a byte, a data set for each weight; facts become attributes of the file."""
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, mask in masks.items():
            data = file.create_dataset(name, data=np.packbits(mask.numpy(), axis=None))
            data.attrs["shape"] = mask.shape
        file.attrs["zeros"], file.attrs["digest"] = zeros_of(masks), _digest(masks)
        for key, value in facts.items():
            file.attrs[key] = value


def _digest(masks):
    """A digest of all masks, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(masks):
        digest.update(name.encode() + np.packbits(masks[name].numpy(), axis=None).tobytes())
    return digest.hexdigest()[:16]


def read(path: Path | str, model: nn.Module, facts: Mapping[str, Any] | None = None) -> Masks:
    """The masks of a file, for the weights of a model; Refused says what is wrong with a file that has others.

    `facts` are those that the file has to have been written with, such as its seed and round.
    """
    weights = prunable(model)
    remedy = "delete it and run again"
    try:
        with h5py.File(path, "r") as file:
            stored = {name: (data[:], tuple(data.attrs["shape"])) for name, data in file.items()}
            zeros, digest = int(file.attrs["zeros"]), str(file.attrs["digest"])
            known = {key: file.attrs[key] for key in facts or {}}
    except FileNotFoundError:
        raise
    # A damaged file makes h5py raise almost anything.
    except (OSError, LookupError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise Refused(f"{path} is cut short, or no file of masks; {remedy}") from error
    for key, wanted in (facts or {}).items():
        if known[key] != wanted:
            raise Refused(f"{path} holds masks of {key} {known[key]}, and not of {key} {wanted}; {remedy}")
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    given = {name: shape for name, (_, shape) in stored.items()}
    if shapes != given:
        differing = sorted(name for name in {*shapes, *given} if shapes.get(name) != given.get(name))
        raise Refused(
            f"{path} holds masks of another network: {', '.join(differing[:3])} "
            f"{'differs' if len(differing) == 1 else 'differ'} from the weights of this one; {remedy}"
        )
    masks = {}
    for name, shape in shapes.items():
        bits, count = stored[name][0], int(np.prod(shape))
        if bits.dtype != np.uint8 or len(bits) != -(-count // 8):
            raise Refused(f"{path} has not as many bits of {name} as the weight has values; {remedy}")
        masks[name] = torch.from_numpy(np.unpackbits(bits, count=count).astype(bool).reshape(shape))
    masked = zeros_of(masks)
    if masked != zeros:
        raise Refused(f"{path} is damaged: it says that {zeros} weights are zero, but masks {masked}; {remedy}")
    if _digest(masks) != digest:
        raise Refused(f"{path} is damaged: its masks are not those that were written; {remedy}")
    return masks


# ---- training ------------------------------------------------------------------------------------------------


@torch.no_grad()
def close(model: nn.Module, masks: Masks) -> None:
    """Set the weights of a model that are not left to zero, in place."""
    for name, weight in prunable(model).items():
        weight.masked_fill_(~masks[name].to(weight.device), 0)


def hook(model: nn.Module, masks: Masks) -> Hook:
    """The hook that holds masks in a training: closed weights are zero, and have no gradient in any step.

    Without a gradient the optimisers of `training.optimisation` leave a zero as it is, its momentum and its decay too.
    Masks that leave all weights are neutral. Call `close` before the training.
    """
    closed = [(weight, ~masks[name].to(weight.device)) for name, weight in prunable(model).items()]
    closed = [(weight, mask) for weight, mask in closed if mask.any()]

    def without_gradients():
        for weight, mask in closed:
            if weight.grad is not None:
                weight.grad.masked_fill_(mask, 0)

    return Hook(after_backward=without_gradients)


def refuse_open(model: nn.Module, masks: Masks, path: Path | str) -> None:
    """Refused for a model of a file that has a weight where the masks have none."""
    for name, weight in prunable(model).items():
        if weight.detach().cpu()[~masks[name]].any():
            raise Refused(f"{path} has weights of {name} where its mask has none; delete it and run again")
