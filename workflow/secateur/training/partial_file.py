"""The state of a training after each epoch, in a file from which a killed run resumes, and its best weights."""

import dataclasses
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from secateur import Refused
from secateur.artifacts import stamps
from secateur.images import store
from secateur.images.store import Images
from secateur.models import freezing, tensor_files
from secateur.training.hooks import Hook
from secateur.training.optimisation import Scheduled

State = dict[str, torch.Tensor]
# Keys that a message lists before it counts the rest.
LISTED = 5


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: a model, its options and seed, optimisers by name, and the hook of a method."""

    model: nn.Module
    options: dict[str, Any]
    seed: int
    optimizers: Mapping[str, Scheduled]
    hook: Hook


@dataclasses.dataclass
class Progress:
    """A row for each epoch so far, and the state that would be kept if there were no more; None if none may be."""

    history: list[dict[str, float]]
    best: State | None = None


def stamp_of(run: Run, outer: str | None, images: Iterable[Images]) -> str:
    """The stamp of a run: that of its caller, and all that it does not cover, such as the contents of input files."""
    groups = [[group.name, dict(group.options)] for group in run.hook.groups]
    return stamps.digest([outer, run.options, run.seed, groups, _digest(run, images)])


def _digest(run, images):
    """A digest of the weights and of all images and labels, 16 hexadecimal digits; 1 to 2 s for a gigabyte."""
    digest = hashlib.sha256()
    for tensor in (*run.model.state_dict().values(), *_parameters(run.hook)):
        digest.update(tensor.detach().cpu().contiguous().numpy())
    for split in images:
        digest.update(store.content(split).data)
        digest.update(np.ascontiguousarray(split.labels).data)
    return digest.hexdigest()[:16]


def _parameters(hook):
    """All parameters of a hook's groups, which need not be the model's."""
    return [parameter.detach() for group in hook.groups for parameter in group.parameters]


def write(partial: Path | str, stamp: str, run: Run, progress: Progress) -> None:
    """Write the state from which a run resumes."""
    optimizers = {}
    for name, scheduled in run.optimizers.items():
        optimizers[name] = scheduled.optimizer.state_dict()
    content = {"stamp": stamp, "model": state(run.model), "parameters": _parameters(run.hook), **vars(progress)}
    tensor_files.write(partial, content | {"optimizers": optimizers, "hook": run.hook.state()})


def resumed(partial: Path | str | None, stamp: str, run: Run) -> Progress:
    """The Progress of an interrupted run, whose state is loaded; without rows where there is none to resume.

    Raises Refused for a state of other layers than those that the model trains.
    """
    content = tensor_files.resumable(partial, stamp, "training starts from the first epoch")
    if content is None:
        return Progress([])
    for kept in filter(None, (content["best"], content["model"])):
        load(run.model, kept, f"{partial} (delete it to start again)")
    with torch.no_grad():
        for parameter, before in zip(_parameters(run.hook), content["parameters"], strict=True):
            parameter.copy_(before)
    for name, scheduled in run.optimizers.items():
        scheduled.optimizer.load_state_dict(content["optimizers"][name])
    run.hook.restore(content["hook"])
    logging.info("training resumes after epoch %d, from %s", len(content["history"]), partial)
    return Progress(content["history"], content["best"])


def state(model: nn.Module) -> State:
    """The state_dict of the layers that are trained, parameters and statistics, copied to the CPU.

    The frozen half of a VGG16 is half a gigabyte, which need not be written after each epoch.
    """
    whole = model.state_dict()
    return {name: whole[name].detach().to("cpu", copy=True) for name in _trained(model)}


def load(model: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Load the state of the layers that are trained; Refused, beginning with `where`, for one of other layers."""
    known = model.state_dict()
    foreign = [name for name in state if name not in known]
    missing = [name for name in _trained(model) if name not in state]
    if foreign or missing:
        raise Refused(f"{where} holds no state of this network: it {_misfit(foreign, missing)}")
    # Frozen layers are left out on purpose.
    model.load_state_dict(state, strict=False)


def _trained(model):
    """The keys of the state_dict that belong to layers that are trained."""
    frozen = freezing.frozen(model)
    return [name for name in model.state_dict() if name.rpartition(".")[0] not in frozen]


def _misfit(foreign, missing):
    parts = []
    if foreign:
        parts.append(f"has {_listed(foreign)}, which the network lacks")
    if missing:
        parts.append(f"lacks {_listed(missing)}, which the network trains")
    return ", and ".join(parts)


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:LISTED])
    if len(names) > LISTED:
        text += f" and {len(names) - LISTED} more"
    return text
