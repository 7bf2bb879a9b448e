"""Training on unlabelled images: a network learns the answers of another one, for a count of steps."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from secateur.images.store import Images
from secateur.study.recovery_checks import ROUND
from secateur.training import distillation, hooks, loop


def continued(
    student: nn.Module,
    teacher: nn.Module,
    images: Images,
    rows: np.ndarray,
    validation: Images,
    options: Mapping[str, Any],
    seed: int,
    partial: Path | str | None = None,
    stamp: str | None = None,
) -> list[dict[str, float]]:
    """Train the student in place by the teacher's answers to some rows of the images. Returns the history.

    `options` are those of a training with `steps`, a multiple of ROUND, in the place of epochs; a row of the history is
    an epoch of ROUND steps. The images are augmented, then shown to both. The last weights are kept: labels, of these
    images as of validation, are read for the history alone. Resumes and raises as `loop.train` does.
    """
    repeated = rows[np.arange(ROUND * options["batch_size"]) % len(rows)]
    shown = images.taken(repeated)
    schedule = {**options, "epochs": options["steps"] // ROUND, "loss": "distillation", "select": "last"}
    hook = hooks.Hook(loss=distillation.of(copy.deepcopy(teacher)))
    return loop.train(student, shown, validation, schedule, seed, partial, stamp, hook)
