"""The phase of a training in which gates learn: a hook for the trainer, without a loss of its own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from secateur.selection.output_analyser import OutputAnalyser
from secateur.training.hooks import Group, Hook

# Columns of the history: the share of units that stay, and the mean count of gates that change in a step.
COLUMNS = ("kept_units", "gate_changes")


class GatePhase:
    """The gates of an OutputAnalyser over a training of its model.

    The count of open gates falls over the first half; the loss is that of the task alone. `options` are those of the
    pruning-models' optimiser and schedule. With `batch_statistics`, BatchNorm takes the statistics of each batch also
    where its layers are frozen; their running statistics then stay as they are.
    """

    def __init__(self, analyser: OutputAnalyser, options: Mapping[str, Any], batch_statistics: bool = True) -> None:
        self.analyser, self.options = analyser, options
        self.borrowed = []
        if batch_statistics:
            norms = [module for module in analyser.frozen if isinstance(module, _BatchNorm)]
            self.borrowed = [_Borrowed(norm) for norm in norms if norm.track_running_stats]
        self.before: list[torch.Tensor] = []
        self.flips, self.steps = 0, 0

    def hook(self) -> Hook:
        """The hook of `training.loop.train`."""
        group = Group("pruning-models", self.analyser.parameters_of_pruning_models, self.options)
        return Hook(
            groups=[group],
            before_step=self._before_step,
            after_backward=self._after_backward,
            columns=self._columns,
            may_keep=self._may_keep,
            state=self._state,
            restore=self._restore,
        )

    def _before_step(self, step, steps):
        self.analyser.at(step, steps)
        self.analyser.train_mode()
        for norm in self.borrowed:
            norm.borrow()

    def _after_backward(self):
        """Count the gates that changed, and leave frozen layers as they were."""
        for norm in self.borrowed:
            norm.give_back()
        after = self.analyser.closed()
        if self.before:
            changed = sum(int((old != new).sum()) for old, new in zip(self.before, after, strict=True))
            self.flips += changed
        self.before, self.steps = after, self.steps + 1

    def _columns(self):
        row: dict[str, float] = {"kept_units": self.analyser.share_kept()}
        row["gate_changes"] = self.flips / max(1, self.steps)
        self.flips, self.steps = 0, 0
        return row

    def _may_keep(self, row):
        """Only a network with the widths that were asked for."""
        return self.analyser.widths is None or row["kept_units"] == self.analyser.share_to_keep()

    def _state(self):
        return {"closed": self.before}

    def _restore(self, state):
        self.before = list(state["closed"])


class _Borrowed:
    """A frozen BatchNorm that takes the statistics of a batch without changing its own."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm, self.momentum = norm, norm.momentum
        self.lent = False

    def borrow(self) -> None:
        self.lent = True
        # With momentum zero the running statistics are multiplied by one.
        self.norm.training, self.norm.momentum = True, 0.0
        if self.norm.num_batches_tracked is not None:
            self.tracked = self.norm.num_batches_tracked.clone()

    def give_back(self) -> None:
        self.lent = False
        self.norm.training, self.norm.momentum = False, self.momentum
        if self.norm.num_batches_tracked is not None:
            self.norm.num_batches_tracked.copy_(self.tracked)
