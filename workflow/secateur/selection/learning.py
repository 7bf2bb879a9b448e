"""Channels of a network selected by gates that are trained with it, or in front of its frozen weights."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from torch import nn

from secateur.images import store
from secateur.selection import gate_phase, pruning_models, starting_logits
from secateur.selection.output_analyser import OutputAnalyser, layers_of
from secateur.study import seeds
from secateur.training import hooks, loop
from secateur.units import activity
from secateur.units.finding import Units

# The remedy for gates that diverge.
REMEDY = (
    "set learning_rate or gate_learning_rate of the learned criterion lower, and look for a pruning-model of your own "
    "that gives NaN"
)


@dataclasses.dataclass(frozen=True)
class Training:
    """The images and options of a learned criterion's training, by gradients or without."""

    train: store.Images
    validation: store.Images
    options: Mapping[str, Any]  # an entry of `criteria.learned` with its schedule in full
    seed: int  # of all random draws
    partial: Path | str | None = None  # the state after each epoch, by which a killed one resumes
    stamp: str | None = None  # of the job; the state of another is not resumed


@dataclasses.dataclass(frozen=True)
class Material(Training):
    """The images and options of a gate phase."""

    # (n, C, H, W) normalised images, on the model's device, of the last prediction.
    calibration: torch.Tensor = dataclasses.field(kw_only=True)


@dataclasses.dataclass(frozen=True)
class Selected:
    """A network after its gate phase, at full width, and what the gates chose."""

    model: nn.Module
    history: list[dict[str, float]]
    scores: dict[int, float]  # {unit: its last logit}; of each layer, the smallest are removed first
    channels: dict[str, list[int]]  # {layer: [index, ...]} of the closed gates
    # {layer: {"start", "dead", "last", and the weights of its pruning-model}}: the selection can be repeated from it.
    gates: dict[str, dict[str, torch.Tensor]]
    dead: np.ndarray  # (units,) bool: zero on all calibration images before the phase


def selected(
    model: nn.Module,
    units: Units,
    widths: Mapping[str, int] | None,
    scores: Mapping[int, float] | None,
    material: Material,
) -> Selected:
    """The network and the selection after a gate phase; the model is trained in place and has its own layers again.

    `widths` is {layer: count of units that stay}, None for a free budget; `scores` {unit: score} are those by which the
    logits start, or None for zero. Only the loss of the task is minimised. Raises Refused as OutputAnalyser does, and
    `loop.Diverged` as training does.
    """
    options = material.options
    # No gradient reaches the gates of these, and their removal changes nothing.
    dead = activity.zero(model, units, [material.calibration])
    if options["weights"] == "frozen":
        model.requires_grad_(False)
    start = None
    if scores is not None:
        start = starting_logits.of_scores(scores, layers_of(units))
    factory = pruning_models.factory_of(options["model"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derived(material.seed, "pruning-models"))
        analyser = OutputAnalyser(model, units, widths, factory, start, dead)
    batch_statistics = options["statistics"] == "batch"
    phase = gate_phase.GatePhase(analyser, options["gates"], batch_statistics)
    history = trained(analyser, material, phase.hook(), REMEDY)
    analyser.at(1, 1)
    analyser.predict(material.calibration, batch_statistics)
    channels, logits, gates = analyser.channels(), analyser.scores(), analyser.state_of_gates()
    return Selected(analyser.unwrapped(), history, logits, channels, gates, dead)


def trained(analyser: OutputAnalyser, material: Training, hook: hooks.Hook, remedy: str) -> list[dict[str, float]]:
    """The history of a training of gates; `loop.Diverged` with the remedy in the settings of learned criteria."""
    try:
        return loop.train(
            analyser,
            material.train,
            material.validation,
            material.options["training"],
            material.seed,
            material.partial,
            material.stamp,
            hook,
        )
    except loop.Diverged as error:
        raise loop.Diverged(error.loss, error.epoch, error.rate, remedy) from error


def schedule_of_gates(options: Mapping[str, Any]) -> dict[str, Any]:
    """The optimiser and schedule of the pruning-models, from the options of the stage; their weights do not decay."""
    training, entry = options["training"], options["learned"]
    chosen = {"optimizer": entry["gate_optimizer"], "learning_rate": entry["gate_learning_rate"], "weight_decay": 0.0}
    return {**training, **chosen}


def table(scores: Mapping[int, float], units: Units) -> pandas.DataFrame:
    """A row for each channel that can be removed: layer, channel, score.

    The first channel of a unit has its score, so that it counts once; the others have none. Units without a gate, which
    stay, have the highest score.
    """
    highest = max(scores.values(), default=0.0) + 1
    rows = []
    for unit_id, unit in enumerate(units.units):
        (layer, index), *others = unit.channels
        rows.append((layer, index, scores.get(unit_id, highest)))
        rows += [(name, other, np.nan) for name, other in others]
    return pandas.DataFrame(rows, columns=["layer", "channel", "score"])
