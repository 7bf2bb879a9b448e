"""The Scoring Net: one small network that scores the units of all layers from their descriptors (our design).

Only the abstract of its source is known (ScoringNet: A Neural Network Based Pruning Criteria for Structured Pruning,
Scientific Programming, 2023): a set of scores for output channels, learned by gradient descent, with or without
gradients among its inputs, after training or at initialisation, and transferable.
"""

from __future__ import annotations

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


class Scored(nn.Module):
    """A pruning-model of one layer: the scores of its units by a scorer that all layers share.

    `features` (U, descriptors) are fixed; the outputs that other pruning-models analyse are not read.
    """

    features: torch.Tensor

    def __init__(self, scorer: nn.Module, features: torch.Tensor) -> None:
        super().__init__()
        self.scorer = scorer
        self.register_buffer("features", features)

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return self.scorer(self.features).squeeze(1)


def state_of(scorer: nn.Module) -> dict[str, object]:
    """The content of a scorer's file: its weights, and the list of descriptors that it reads."""
    return {"scorer": scorer.state_dict(), "descriptors": list(descriptors.NAMES)}


def from_state(state: dict[str, object], path: object) -> nn.Sequential:
    """The scorer of a file's content; Refused for one with another list of descriptors, or none."""
    names, weights = state.get("descriptors"), state.get("scorer")
    if names != list(descriptors.NAMES) or not isinstance(weights, dict):
        listed = ", ".join(map(str, names)) if isinstance(names, list) else "none"
        raise Refused(
            f"{path} is no scorer that reads the descriptors {', '.join(descriptors.NAMES)}; its own are {listed}: fit "
            "it again"
        )
    network = scorer()
    network.load_state_dict(weights)
    return network
