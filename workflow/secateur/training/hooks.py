"""Additions of a method to a training: the interface, and the neutral one. The methods hand theirs to `loop.train`."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class Group:
    """Parameters that a hook trains beside those of the network, with an optimiser and a schedule of their own."""

    name: str
    parameters: Sequence[nn.Parameter]
    # optimizer, learning_rate, schedule, milestones, warm_up, momentum, nesterov, weight_decay: as in `training`.
    options: Mapping[str, Any]


def _nothing(*_) -> None:
    """Do nothing with any arguments."""


def _always(_) -> bool:
    return True


@dataclasses.dataclass(frozen=True)
class Hook:
    """Additions of one method to a training; every field is neutral by default."""

    groups: Sequence[Group] = ()
    # (step from 0, count of all steps), before the forward.
    before_step: Callable[[int, int], None] = _nothing
    # Around forward and backward, validation, and the copy of the state that may be kept.
    shown: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
    # (logits, labels, normalised images) -> mean loss; None: the loss of the options.
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    # Before the gradients are clipped, and the step of the optimisers.
    after_backward: Callable[[], None] = _nothing
    # More columns of the epoch's row in the history.
    columns: Callable[[], dict[str, float]] = dict
    # (the epoch's row) whether this epoch may be the one that is kept.
    may_keep: Callable[[Mapping[str, float]], bool] = _always
    # Tensors and plain data that go into the checkpoint after each epoch, and their way back.
    state: Callable[[], dict[str, Any]] = dict
    restore: Callable[[dict[str, Any]], None] = _nothing


NEUTRAL = Hook()
