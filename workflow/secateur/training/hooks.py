"""Additions of a method to a training: the interface, and the neutral one. The methods hand theirs to `loop.train`."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class Group:
    """Parameters that a hook trains beside those of the network, with an optimiser and a schedule of their own.

    The network's own optimiser leaves them alone, also where they are parameters of its modules.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    # optimizer, learning_rate, schedule, milestones, warm_up, momentum, nesterov, weight_decay: as in `training`, but
    # that all of the parameters decay.
    options: Mapping[str, Any]


def _nothing(*_) -> None:
    """Do nothing with any arguments."""


def _always(_) -> bool:
    return True


@dataclasses.dataclass(frozen=True)
class Hook:
    """Additions of one method to a training; every field is neutral by default."""

    groups: Sequence[Group] = ()
    # (step from 0, count of all steps), after the learning rates are set and before the forward.
    before_step: Callable[[int, int], None] = _nothing
    # Around forward and backward, validation, and the copy of the state that may be kept: weights and modes as the
    # network computes with them. The optimisers' steps, and the state from which training continues, are outside.
    shown: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
    # (logits, labels, normalised images) -> mean loss; None: the loss of the options.
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    # After `shown` is left, before the gradients are clipped and the optimisers step.
    after_backward: Callable[[], None] = _nothing
    # More columns of the epoch's row in the history, after its last step and outside of `shown`.
    columns: Callable[[], dict[str, float]] = dict
    # True if the epoch of a row may be the one that is kept; it depends on the row alone, and is asked repeatedly.
    may_keep: Callable[[Mapping[str, float]], bool] = _always
    # Tensors and plain data that go into the checkpoint after each epoch, and their way back, on the CPU. Parameters of
    # groups, and their optimisers, are in the checkpoint without it.
    state: Callable[[], dict[str, Any]] = dict
    restore: Callable[[dict[str, Any]], None] = _nothing


NEUTRAL = Hook()
