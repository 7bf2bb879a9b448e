"""The Scoring Net: one small network that scores the units of all layers from their descriptors (our design).

Only the abstract of its source is known (ScoringNet: A Neural Network Based Pruning Criteria for Structured Pruning,
Scientific Programming, 2023): a set of scores for output channels, learned by gradient descent, with or without
gradients among its inputs, after training or at initialisation, and transferable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    a logit is the sigmoid of the score: the order is the same, and scores far from zero have a smaller gradient.
    """

    features: torch.Tensor

    def __init__(self, scorer: nn.Module, features: torch.Tensor, squashed: bool = True) -> None:
        super().__init__()
        self.scorer, self.squashed = scorer, squashed
        self.register_buffer("features", features)

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        logits = scores(self.scorer, self.features)
        return torch.sigmoid(logits) if self.squashed else logits


def state_of(scorer: nn.Module, gradients: bool) -> dict[str, object]:
    """The content of a scorer's file: its weights, the list of descriptors, and whether those of gradients are read."""
    return {"scorer": scorer.state_dict(), "descriptors": list(descriptors.NAMES), "gradients": gradients}


def from_state(state: Mapping[str, Any], path: object) -> tuple[nn.Sequential, bool]:
    """(the scorer of a file's content, True if it reads gradients).

    Refused for one with another list of descriptors, or none.
    """
    names, weights = state.get("descriptors"), state.get("scorer")
    if names != list(descriptors.NAMES) or not isinstance(weights, dict):
        listed = ", ".join(map(str, names)) if isinstance(names, list) else "none"
        raise Refused(
            f"{path} is no scorer that reads the descriptors {', '.join(descriptors.NAMES)}; its own are {listed}: fit "
            "it again"
        )
    network = scorer()
    network.load_state_dict(weights)
    return network, bool(state["gradients"])
