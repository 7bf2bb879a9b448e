"""A scorer fitted in front of a network: by gradients through gates, by an evolution strategy, or not at all."""

import copy
import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from secateur.selection import evolution, learning, scoring_network
from secateur.selection.budgets import Budget
from secateur.selection.learning import Training
from secateur.selection.output_analyser import OutputAnalyser, layers_of
from secateur.selection.scorer_phase import ScorerPhase
from secateur.study import seeds
from secateur.training import distillation
from secateur.units.finding import Units

# Passes over an image that a step costs, in forward passes: a backward pass counts two.
FORWARDS_OF_STEP = 3
# The remedy for a scorer that diverges.
REMEDY = "set gate_learning_rate of the scorer lower, or learning_rate with weights: joint"


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A scorer and the history of its fit."""

    scorer: nn.Module
    history: list[dict[str, float]]  # as of `loop.train`, with `forwards`: passes of one image so far


def fitted(
    model: nn.Module, units: Units, features: torch.Tensor, asked: Mapping[str, int] | Budget, material: Training
) -> Fitted:
    """A scorer of the descriptors `features` (units, inputs), fitted on the model.

    The gates that its scores close leave what is `asked` for: {layer: count of units that stay}, or a Budget. The
    model's weights stay bitwise as they are with `weights: frozen`; with `joint` they are trained beside the scorer.
    `fit` is "gradient", "evolution" (which costs as many forward passes, and freezes the weights), or "none" for the
    scorer as it was drawn. Raises `loop.Diverged` as training does, and Refused where a budget cannot be met.
    """
    options = material.options
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derived(material.seed, "scorer"))
        scorer = scoring_network.scorer(features.shape[1])
    scorer.to(features.device)
    if options["fit"] == "none":
        return Fitted(scorer, [])
    teacher = copy.deepcopy(model) if options["training"]["loss"] == "distillation" else None
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    if options["weights"] == "frozen":
        model.requires_grad_(False)
    analyser = _wrapped(model, units, scorer, features, asked, options)
    phase = ScorerPhase(analyser, options["gates"], options["statistics"] == "batch")
    try:
        if options["fit"] == "evolution":
            history = evolution.run(evolution.Search(analyser, scorer, phase, FORWARDS_OF_STEP), material)
        else:
            loss = distillation.of(teacher) if teacher else None
            history = learning.trained(analyser, material, dataclasses.replace(phase.hook(), loss=loss), REMEDY)
            history = [row | {"forwards": _forwards(row, material, teacher)} for row in history]
    finally:
        # After an error too the model is the caller's own again.
        phase.close()
        analyser.unwrapped()
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(trained[name])
    return Fitted(scorer, history)


def _wrapped(model, units, scorer, features, asked, options):
    """The model with one gate for each unit, whose logits are scores of the shared scorer."""
    annealed = options["fit"] == "gradient" and options["gate_gradient"] == "annealed"
    squashed = options["gate_gradient"] == "sigmoid"
    models = {}
    for layer, ids in layers_of(units).items():
        models[layer] = scoring_network.Scored(scorer, features[ids], squashed)
    widths, budget = (None, asked) if isinstance(asked, Budget) else (asked, None)
    return OutputAnalyser(model, units, widths, models=models, budget=budget, annealed=annealed)


def _forwards(row, material, teacher):
    """Forward passes of one image until the end of an epoch, a backward pass as two; a teacher answers once more."""
    of_step = FORWARDS_OF_STEP + (teacher is not None)
    return row["epoch"] * of_step * len(material.train)
