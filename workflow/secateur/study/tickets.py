"""Tickets of a study: its rounds of pruning and its re-initialisations, settled in place or refused in one line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from secateur import Refused
from secateur.study.levels import fraction
from secateur.study.reinitialisations import ALL, ORIGINAL, RANDOM

# The share of the weights left that a round closes where nothing is said (Frankle and Carbin, 2019).
BY_ROUND = 0.2
# The digits of the share that is left between two levels, and the least share of what is left that a round closes.
DIGITS, LEAST = 6, 0.001


class Round(NamedTuple):
    """One round of pruning: its place from 1, the share of weights that is zero after it, and whether it is a level."""

    place: int
    sparsity: float
    asked: bool


class TicketCell(NamedTuple):
    """One network that is trained from a ticket: the round of its masks, and its kind."""

    place: int
    kind: str

    @property
    def path(self) -> str:
        """The folder of its files, below `tickets/`."""
        return f"{self.place}/{self.kind}"


def of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of tickets; without levels and kinds where there are none."""
    return config["tickets"] or {"sparsity": [], "rounds": 0, "rewind": 0, "kinds": []}


def rounds(config: Mapping[str, Any]) -> list[Round]:
    """The rounds of pruning, which meet every level on their way to the highest.

    Between two levels each round closes the same share of the weights that are left; the counts of rounds are as the
    logarithms of these shares, and every level has one round at least.
    """
    section = of(config)
    made, before = [], 1.0
    for sparsity, count in zip(section["sparsity"], _shared(section["sparsity"], section["rounds"]), strict=True):
        left = 1 - sparsity
        for step in range(1, count):
            between = before * (left / before) ** (step / count)
            # Digits of what is left: near 1, those of the sparsity would say little.
            sparsity_between = float(1 - Decimal(f"{between:.{DIGITS}g}"))
            made.append(Round(len(made) + 1, sparsity_between, asked=False))
        made.append(Round(len(made) + 1, sparsity, asked=True))
        before = left
    return made


def _shared(levels, count):
    """The count of rounds up to each level from the one before, `count` in all: one each, the others where far."""
    distances, counts = _distances(levels), [1] * len(levels)
    for _ in range(count - len(levels)):
        # The largest step becomes smaller; of equal ones the first.
        widest = max(range(len(levels)), key=lambda place: round(distances[place] / counts[place], 9))
        counts[widest] += 1
    return counts


def _distances(levels):
    """The logarithms of the shares of weights between one level and the next."""
    left = [1 - level for level in (0, *levels)]
    return [math.log(before / after) for before, after in itertools.pairwise(left)]


def cells(config: Mapping[str, Any]) -> list[TicketCell]:
    """The networks of one training: every kind at every level, and between them the original, which is pruned next."""
    made = []
    for one in rounds(config):
        kinds = of(config)["kinds"] if one.asked else [ORIGINAL.name]
        made += [TicketCell(one.place, kind) for kind in kinds]
    return made


def figures(config: Mapping[str, Any]) -> list[str]:
    """The figures of tickets: accuracy by kind, and the weights left by layer and round."""
    return ["kinds", "layers"] if config["tickets"] else []


def settle(config: Mapping[str, Any]) -> None:
    """Fill in the settings that follow from others; Refused for contradictions."""
    section = config["tickets"]
    if section is None:
        return
    _check_training(config)
    section["sparsity"] = sorted(section["sparsity"], key=fraction)
    needed = len(section["sparsity"])
    if section["rounds"] is None:
        most = -math.log(1 - BY_ROUND)
        section["rounds"] = sum(math.ceil(distance / most - 1e-9) for distance in _distances(section["sparsity"]))
    if section["rounds"] < needed:
        raise Refused(
            f"tickets.rounds is {section['rounds']}, but each of the {needed} levels of tickets.sparsity ends a round; "
            f"give {needed} or more, or fewer levels"
        )
    if min(_steps(config)) < LEAST:
        raise Refused(
            f"tickets: one of {section['rounds']} rounds closes less than a thousandth of the weights that are left; "
            "give fewer rounds, or levels that lie further apart"
        )
    asked = {*section["kinds"], ORIGINAL.name, RANDOM.name}
    section["kinds"] = [one.name for one in ALL if one.name in asked]


def _steps(config):
    """The share of the weights that are left which each round closes."""
    left = [1 - sparsity for sparsity in (0, *(one.sparsity for one in rounds(config)))]
    return [1 - after / before for before, after in itertools.pairwise(left)]


def _check_training(config):
    """Refused where no weights, or not all, would be trained, and for a rewind that leaves nothing to train."""
    section, training = config["tickets"], config["training"]
    if training["epochs"] == 0:
        raise Refused(
            "tickets train first weights by the schedule of training, but training.epochs is 0: the given weights are "
            "both the first and the last; train, or leave tickets out"
        )
    if config["model"]["trainable"] != "all":
        raise Refused(
            "tickets prune all weights and have to train them, but model.trainable is "
            f"{config['model']['trainable']}; set it to all, or leave tickets out"
        )
    if section["rewind"] >= training["epochs"]:
        raise Refused(
            f"tickets.rewind is {section['rewind']}, but training has {training['epochs']} epochs, of which at least "
            f"one has to be left; give 0 to {training['epochs'] - 1}"
        )
