"""The phase of a training in which a scorer learns: a hook for the trainer, that of gates with a budget of its own."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from secateur.selection.gate_phase import GatePhase
from secateur.selection.output_analyser import OutputAnalyser

# Columns of the history: those of gates, the share of all closings that was asked for, and CPU time so far.
COLUMNS = ("kept_units", "gate_changes", "closings", "seconds")


class ScorerPhase(GatePhase):
    """The gates of an OutputAnalyser whose pruning-models share one scorer, over a training of its model.

    Validation sees the scores as the last step of the epoch left them. `closings` is 1 from the step on at which as
    many gates are closed as in the end, and `seconds` is the CPU time of the steps, without validation.
    """

    def __init__(self, analyser: OutputAnalyser, options: Mapping[str, Any], batch_statistics: bool = True) -> None:
        super().__init__(analyser, options, batch_statistics)
        self.now, self.closings, self.seconds = (0, 1), 0.0, 0.0
        self.started: float | None = None

    @contextlib.contextmanager
    def as_trained(self) -> Iterator[None]:
        """The analyser in training mode with all closings, as in the last step; frozen layers are left as they were."""
        self.analyser.at(1, 1)
        self.analyser.train_mode()
        for norm in self.borrowed:
            norm.borrow()
        try:
            yield
        finally:
            for norm in self.borrowed:
                norm.give_back()

    def close(self) -> None:
        """Leave borrowed layers as they were, where a step was broken off."""
        for norm in self.borrowed:
            if norm.lent:
                norm.give_back()

    def refresh(self, step: int, steps: int) -> None:
        """Let the scores as they are now decide in eval mode, with the closings of a step."""
        for gated in self.analyser.gated.values():
            gated.repredict()
        self.analyser.at(step, steps)

    def _before_step(self, step, steps):
        if self.started is None:
            self.started = time.process_time()
        self.now = step, steps
        super()._before_step(step, steps)

    def _columns(self):
        self.refresh(*self.now)
        row = super()._columns()
        if self.started is not None:
            self.seconds += time.process_time() - self.started
        self.started = None
        return row | {"closings": float(self.analyser.share_at(*self.now)), "seconds": self.seconds}

    def _may_keep(self, row):
        return row["closings"] == 1

    def _state(self):
        return super()._state() | {"seconds": self.seconds}

    def _restore(self, state):
        super()._restore(state)
        self.seconds = state["seconds"]
