"""Kinds of pruned networks, in the order in which tables and figures show them.

Everything that differs by kind stands here, except the computations: their functions are in `retraining/kinds.py`, and
those of the kinds that every evaluated network can become, one-shot, in `recovery.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """One kind of pruned network."""

    name: str  # in settings, tables and paths
    label: str  # in a figure's legend
    column: str  # in tables side by side
    start: str  # the weights that it starts from: those of the "dense" network, or "fresh" ones
    trains: str  # "nothing", the "statistics" of BatchNorm, or "weights"
    marker: str  # in figures
    colour: str
    setting: str | None = None  # the key of `retraining` that turns it on, where one does
    in_steps: bool = False  # whether channels can be removed in several steps
    one_shot: bool = False  # whether it takes no training, so that `evaluation.recovery` can name it
    made: str = ""  # how a card begins the sentence on its schedule
    untested: str = "Other schedules of retraining, and other orders of images."  # what a card lists as not tried


NONE = Kind(
    name="none",
    label="pruned",
    column="pruned",
    start="dense",
    trains="nothing",
    marker="o",
    colour="#0173b2",
    one_shot=True,
    untested="Retraining: after its channels were removed, the network was not trained again.",
)
BATCHNORM = Kind(
    name="batchnorm",
    label="BatchNorm re-estimated",
    column="BatchNorm",
    start="dense",
    trains="statistics",
    marker="D",
    colour="#de8f05",
    setting="batchnorm",
    one_shot=True,
    made="After its channels were removed",
    untested="Retraining: after its channels were removed, no weight was trained again.",
)
RETRAINED = Kind(
    name="retrained",
    label="retrained",
    column="retrained",
    start="dense",
    trains="weights",
    marker="o",
    colour="#0173b2",
    in_steps=True,
    made="Retrained",
)
SCRATCH = Kind(
    name="scratch",
    label="fresh weights, same widths",
    column="fresh weights",
    start="fresh",
    trains="weights",
    marker="s",
    colour="#949494",
    setting="scratch",
    made="Its weights are not the dense network's: with its widths it was trained from fresh ones",
)
KINDS = {kind.name: kind for kind in (NONE, BATCHNORM, RETRAINED, SCRATCH)}
RECOVERIES = tuple(name for name, kind in KINDS.items() if kind.one_shot)


def asked_for(retraining: Mapping[str, Any]) -> list[str]:
    """The names of the kinds that a study's `retraining` makes, in the order of the table."""
    names = []
    for kind in KINDS.values():
        turned_on = kind.setting is None or retraining.get(kind.setting, False)
        if turned_on and kind.trains != "nothing":
            names.append(kind.name)
    return names


def cell(criterion: str, level: float, kind: str) -> str:
    """The path of a retrained network below the folder of retraining."""
    return f"{criterion}/{level}/{kind}"
