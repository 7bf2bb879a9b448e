"""Kinds of pruned networks, in the order in which tables and figures show them.

Everything that differs by kind stands here, except the computations: their functions are in `retraining/kinds.py`, and
those of the kinds that every evaluated network can become, one-shot, in `recovery.py`.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from secateur.study.reinitialisations import OF_CHANNELS


@dataclass(frozen=True)
class Kind:
    """One kind of pruned network."""

    name: str  # in settings, tables and paths
    label: str  # in a figure's legend
    column: str  # in tables side by side
    # Its first weights: those of the "dense" network, its "initial" ones, these "redrawn", "fresh", or "learned" ones.
    start: str
    # "nothing", the "statistics" of BatchNorm, its "layers" (refitted), "answers" (weights, by what the dense network
    # answers to unlabelled images), "epoch" (weights, for one epoch), "weights", or "gates" and weights before the
    # removal.
    trains: str
    marker: str  # in figures
    colour: str
    setting: str | None = None  # the key of `retraining` that turns it on, where one does
    in_steps: bool = False  # whether channels can be removed in several steps
    order_of: str | None = None  # the kind whose order of images it shares; its own without one
    learned: bool = False  # whether it starts from weights that were learned with a criterion, so that others have none
    one_shot: bool = False  # whether it takes an epoch at most, so that `evaluation.recovery` can name it
    # Settings of the schedule in place of those of `retraining`, for kinds that differ in these alone.
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    made: str = ""  # how a card begins the sentence on its schedule
    untested: str = "Other schedules of retraining, and other orders of images."  # what a card lists as not tried

    @property
    def whole(self) -> bool:
        """True for a kind that is trained by the whole schedule of training, because its weights were not."""
        return self.start in ("initial", "redrawn", "fresh")


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
RECONSTRUCTED = Kind(
    name="reconstructed",
    label="reconstructed in closed form",
    column="reconstructed",
    start="dense",
    trains="layers",
    marker="v",
    colour="#029e73",
    setting="reconstructed",
    one_shot=True,
    made="After its channels were removed",
    untested="Retraining: after its channels were removed, its layers were refitted in closed form and never trained.",
)
EPOCH = Kind(
    name="epoch",
    label="one epoch",
    column="one epoch",
    start="dense",
    trains="epoch",
    marker="s",
    colour="#cc78bc",
    setting="epoch",
    one_shot=True,
    made="After its channels were removed",
    untested="Retraining for more than one epoch, and other learning rates.",
)
DISTILLED = Kind(
    name="distilled",
    label="reconstructed, then distilled without labels",
    column="distilled",
    start="dense",
    trains="answers",
    marker="X",
    colour="#d55e00",
    setting="distilled",
    # Its images and their draw.
    order_of="reconstructed",
    made="After its channels were removed",
    untested="Retraining with labels, and other schedules without them.",
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
INITIAL = Kind(
    name="initial",
    label="first weights, narrowed",
    column="first weights",
    start="initial",
    trains="weights",
    marker="v",
    colour="#56b4e9",
    setting="initial",
    # Paired with fresh weights: the two differ in their first weights alone.
    order_of="scratch",
    made="It was trained from the dense network's first weights without the removed channels",
)


def _stage(name, label, marker, colour, **changes):
    """A kind like `retrained`, by another loss or another optimiser."""
    return Kind(
        name=f"retrained_{name}",
        label=f"retrained, {label}",
        column=label,
        start="dense",
        trains="weights",
        marker=marker,
        colour=colour,
        setting="stages",
        in_steps=True,
        order_of="retrained",
        made="Retrained",
        changes=changes,
    )


SMOOTHING = 0.1
SMOOTHED = _stage("smoothed", "label smoothing", "P", "#cc78bc", label_smoothing=SMOOTHING)
TAUGHT = _stage("distilled", "distillation", "X", "#ca9161", loss="distillation")
ADAM = _stage("adam", "Adam", "<", "#0173b2", optimizer="adam")
SMOOTHED_ADAM = _stage(
    "smoothed_adam", "label smoothing, Adam", "p", "#cc78bc", optimizer="adam", label_smoothing=SMOOTHING
)
TAUGHT_ADAM = _stage("distilled_adam", "distillation, Adam", "*", "#ca9161", optimizer="adam", loss="distillation")
LEARNED = Kind(
    name="learned",
    label="as the gates left it",
    column="learned",
    start="learned",
    learned=True,
    trains="gates",
    marker="^",
    colour="#029e73",
    made="Its weights are those that were trained together with the gates",
)
CONTINUED = Kind(
    name="continued",
    label="gates, then retrained",
    column="continued",
    start="learned",
    learned=True,
    trains="weights",
    marker="^",
    colour="#029e73",
    order_of="retrained",
    made="Its weights were trained together with the gates, then without them",
)


def _redrawn(one, marker, colour):
    """A kind like `initial`, with first weights that are drawn anew and keep a part of what these say."""
    return Kind(
        name=one.name,
        label=f"redrawn: {one.name}",
        column=one.name,
        start="redrawn",
        trains="weights",
        marker=marker,
        colour=colour,
        setting="redrawn",
        order_of="scratch",
        made=f"It was trained from the dense network's first weights, drawn anew so that they keep {one.keeps}",
    )


STAGES = (SMOOTHED, TAUGHT, ADAM, SMOOTHED_ADAM, TAUGHT_ADAM)
MARKS = {
    "sign": ("P", "#0173b2"),
    "dist": ("d", "#de8f05"),
    "dist_normal": ("h", "#ca9161"),
    "abs": ("X", "#cc78bc"),
    "sign+dist": ("*", "#029e73"),
    "random_scaled": ("p", "#d55e00"),
}
REDRAWN = tuple(_redrawn(one, *MARKS[one.name]) for one in OF_CHANNELS)
ALL = (
    NONE,
    BATCHNORM,
    RECONSTRUCTED,
    EPOCH,
    DISTILLED,
    RETRAINED,
    *STAGES,
    SCRATCH,
    INITIAL,
    *REDRAWN,
    LEARNED,
    CONTINUED,
)
KINDS = {kind.name: kind for kind in ALL}
# What a retraining can begin with, beside the network as pruned.
STARTS = (RECONSTRUCTED.name, DISTILLED.name)
RECOVERIES = tuple(name for name, kind in KINDS.items() if kind.one_shot)


def asked_for(retraining: Mapping[str, Any], jointly: bool = False) -> list[str]:
    """The names of the kinds that a study's `retraining` makes, in the order of the table.

    Those of a criterion that was learned together with the weights, `jointly`, are among them.
    """
    names = []
    for kind in KINDS.values():
        turned_on = kind.setting is None or retraining.get(kind.setting, False)
        if kind.learned:
            turned_on = jointly
        if turned_on and kind.trains != "nothing":
            names.append(kind.name)
    return names


class Cell(NamedTuple):
    """One retrained network of a training."""

    criterion: str
    level: float
    kind: str

    @property
    def path(self) -> str:
        """The path of the network's files below the folder of retraining, without their ends."""
        return f"{self.criterion}/{self.level}/{self.kind}"


def levels_of(cells: Iterable[Cell]) -> dict[str, list[float]]:
    """{criterion: its levels} of retrained networks, in their order."""
    levels = {}
    for cell in cells:
        known = levels.setdefault(cell.criterion, [])
        if cell.level not in known:
            known.append(cell.level)
    return levels


def by_epoch(cells: Iterable[Cell]) -> list[Cell]:
    """The cells whose weights are trained, where other losses, optimisers or first weights are compared; else none."""
    trained = [cell for cell in cells if KINDS[cell.kind].trains == "weights"]
    compared = {kind.name for kind in (*STAGES, INITIAL, *REDRAWN)}
    return trained if any(cell.kind in compared for cell in trained) else []


def redrawn(cells: Iterable[Cell]) -> list[Cell]:
    """The cells that are trained from first weights or fresh ones, where first weights are drawn anew; else none."""
    whole = [cell for cell in cells if KINDS[cell.kind].whole]
    return whole if any(KINDS[cell.kind].start == "redrawn" for cell in whole) else []
