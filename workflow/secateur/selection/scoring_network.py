"""The Scoring Net: one small network that scores the units of all layers from their descriptors (our design).

Only the abstract of its source is known (ScoringNet: A Neural Network Based Pruning Criteria for Structured Pruning,
Scientific Programming, 2023): a set of scores for output channels, learned by gradient descent, with or without
gradients among its inputs, after training or at initialisation, and transferable.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from secateur import Refused
from secateur.selection import descriptors

HIDDEN = 32


def scorer(inputs: int = len(descriptors.NAMES)) -> nn.Sequential:
    """A network from descriptors (units, inputs) to scores (units, 1)."""
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
    )  # fmt: skip


def scores(scorer: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """(units,) scores from descriptors (units, inputs); of two units, that with the smaller one is removed first."""
    return scorer(features).squeeze(1)


class Scored(nn.Module):
    """A pruning-model of one layer: the scores of its units by a scorer that all layers share.

    `features` (U, descriptors) are fixed; the outputs that other pruning-models analyse are not read. With `squashed`,
    the gradient of a logit is that of the score's sigmoid, so that scores far from zero have a smaller one. The logit
    itself is the score: the sigmoid of large ones is one for all of them, which would lose their order.
    """

    features: torch.Tensor

    def __init__(self, scorer: nn.Module, features: torch.Tensor, squashed: bool = True) -> None:
        super().__init__()
        self.scorer, self.squashed = scorer, squashed
        self.register_buffer("features", features)

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        logits = scores(self.scorer, self.features)
        if not self.squashed:
            return logits
        squashed = torch.sigmoid(logits)
        return logits.detach() + (squashed - squashed.detach())


class Facts(NamedTuple):
    """Facts beside a scorer in its file: whether it reads gradients, and the scope of the ranks that it was fitted for.

    Scores of the scope "layer" were never compared across layers.
    """

    gradients: bool
    scope: str


def state_of(scorer: nn.Module, facts: Facts) -> dict[str, object]:
    """The content of a scorer's file: its weights, the list of descriptors, and the facts beside them."""
    return {"scorer": scorer.state_dict(), "descriptors": list(descriptors.NAMES), **facts._asdict()}


def from_state(state: Any, path: object, asked: Facts | None = None) -> tuple[nn.Sequential, Facts]:
    """(the scorer of a file's content, the facts beside it).

    Refused for one with another list of descriptors, or none, for a damaged one, and where the facts that are `asked`
    for are others: a scorer for all layers serves within layers too.
    """
    known = state if isinstance(state, dict) else {}
    names, weights = known.get("descriptors"), known.get("scorer")
    if names != list(descriptors.NAMES) or not isinstance(weights, dict):
        listed = ", ".join(map(str, names)) if isinstance(names, list) else "none"
        raise Refused(
            f"{path} is no scorer that reads the descriptors {', '.join(descriptors.NAMES)}; its own are {listed}: fit "
            "it again"
        )
    network = scorer()
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    given = {name: getattr(tensor, "shape", None) for name, tensor in weights.items()}
    if given != shapes or any(key not in known for key in Facts._fields):
        raise Refused(f"{path} is no whole scorer: its weights or the facts beside them are missing; fit it again")
    network.load_state_dict(weights)
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        raise Refused(f"{path} has weights that are not finite, so that its scores would be none; fit it again")
    facts = Facts(bool(known["gradients"]), str(known["scope"]))
    if asked is not None:
        _refuse_unlike(facts, asked, path)
    return network, facts


def _refuse_unlike(facts, asked, path):
    """Refused for a scorer whose facts contradict those of the setting that names it."""
    if facts.gradients != asked.gradients:
        raise Refused(
            f"{path} holds a scorer with gradients: {_in_yaml(facts.gradients)}, but the criterion that names it has "
            f"gradients: {_in_yaml(asked.gradients)}; set gradients: {_in_yaml(facts.gradients)} there"
        )
    if facts.scope == "layer" and asked.scope != "layer":
        raise Refused(
            f"{path} holds a scorer that was fitted with scope: layer, whose scores do not compare units of different "
            f"layers, but the criterion that names it has scope: {asked.scope}; take scope: layer, or another file"
        )


def _in_yaml(value):
    return "true" if value else "false"
