"""Finished studies of tickets: their networks by what first weights keep, of weights and of channels, and differences.

Everything is read from a study's own files; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pandas

from secateur import Refused
from secateur.analysis import intervals
from secateur.artifacts import correctness, evaluation_table, tables, tickets_table
from secateur.study import architectures, retraining_checks, seeds, tickets, vocabulary
from secateur.study.kinds import Cell
from secateur.study.reinitialisations import BY_NAME, OF_KINDS, ORIGINAL
from secateur.study.sparse import DENSE
from secateur.verdicts import across
from secateur.verdicts.across import Difference
from secateur.verdicts.finished import Finished, exact
from secateur.verdicts.paired import Compared

# The part of a network that leaves where it is no criterion's channels.
WEIGHTS = "weights"
# With and without BatchNorm, in words.
NORMS = ("with BatchNorm", "without BatchNorm")


class Network(NamedTuple):
    """The networks of one ticket and kind: what left (WEIGHTS, or the channels by a criterion), the level, the kind."""

    left_out: str
    level: float
    kind: str


@dataclasses.dataclass(frozen=True)
class Study(Finished):
    """A finished study of tickets.

    `cells` has a row for each network: seed, draw, images, accuracy. `right` is, of one training alone,
    {network: bools (images,)}. `by_epoch` has the columns seed, epoch and validation_accuracy. `dense` has the accuracy
    of the network with all weights by seed, and `masks` the columns of `tickets_table.OF_MASKS`.
    """

    of_the_source: ClassVar[tuple[str, ...]] = ("resnet20", "vgg16_bn", "vgg16")
    cells: Mapping[Network, pandas.DataFrame]
    right: Mapping[Network, np.ndarray]
    by_epoch: Mapping[Network, pandas.DataFrame]
    dense: pandas.DataFrame
    masks: pandas.DataFrame
    classes: int

    @property
    def label(self) -> str:
        """The network, with or without BatchNorm, the size of its images, and the name of the study."""
        return f"{self.network} {self.norm}, {self.size} pixels (`{self.settings['study']}`)"

    @property
    def norm(self) -> str:
        """With or without BatchNorm, in words."""
        return NORMS[architectures.lacks_batchnorm(self.settings["model"])]

    @property
    def images(self) -> int:
        """The count of the images that are reported."""
        return int(self.dense["images"].iloc[0])

    @property
    def chance(self) -> float:
        """The accuracy of a guess."""
        return 1 / self.classes

    @property
    def n(self) -> str:
        """The count of what intervals are over, in words."""
        return f"{len(self.seeds)} seeds" if len(self.seeds) > 1 else "1 network"

    @property
    def places(self) -> list[tuple[str, float]]:
        """(what left, level) of every ticket that has its first weights."""
        return list(dict.fromkeys((one.left_out, one.level) for one in self.cells if one.kind == ORIGINAL.name))

    def at(self, place: tuple[str, float]) -> list[str]:
        """The kinds of a ticket, in their order."""
        return [name for name in BY_NAME if Network(*place, name) in self.cells]

    def mean(self, network: Network) -> float:
        """The mean accuracy over seeds, the draws of each averaged first."""
        return float(by_seed(self, network).mean())


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one without tickets, and an unfinished one."""
    folder, settings = Path(folder), across.settings_of(folder)
    if not settings.get("tickets"):
        raise Refused(f"{folder} has no tickets, and this page is about those")
    path = folder / "tables" / "tickets.csv"
    if not path.is_file():
        raise Refused(f"{folder} is no finished study: it has no tables/{path.name}; run it to its end")
    rows = exact(tables.read(path, "seed", *tickets_table.CELL, "images", "accuracy"))
    found = _of_weights(rows, settings) | _of_channels(folder, settings)
    cells = {network: part for network, (part, _) in found.items()}
    for network, part in cells.items():
        if {*part["seed"]} != {*settings["training"]["seeds"]}:
            raise Refused(
                f"{folder} is no finished study: its tables lack networks of {network.kind}; run it to its end"
            )
    histories = {network: _histories(folder, settings, paths) for network, (_, paths) in found.items()}
    right = _right(folder, settings, found) if len(settings["training"]["seeds"]) == 1 else {}
    evaluated = tables.read(
        across.network_folder(folder, settings, settings["training"]["seeds"][0]) / "evaluation" / "random.csv",
        *("level", "recovery"),
    )
    masks = tables.read(folder / "tables" / "tickets.masks.csv", *tickets_table.OF_MASKS)
    classes = len(evaluation_table.of_classes(evaluated))
    return Study(folder, settings, cells, right, histories, rows[rows["kind"] == DENSE], masks, classes)


def _of_weights(rows, settings):
    """{network: (a row for each seed, [the path of its files below a network's folder])} of masks of weights."""
    levels = {one.place: one.sparsity for one in tickets.rounds(settings) if one.asked}
    found = {}
    for cell in tickets.cells(settings):
        if cell.place in levels:
            part = rows[(rows["round"] == cell.place) & (rows["kind"] == cell.kind)]
            network = Network(WEIGHTS, levels[cell.place], cell.kind)
            found[network] = part.assign(draw=cell.kind), [f"tickets/{cell.path}/network"]
    return found


def _of_channels(folder, settings):
    """The same of channels: kinds of retraining that start from first weights, or from fresh ones."""
    cells = [cell for cell in retraining_checks.cells(settings) if cell.kind in OF_KINDS]
    if not cells:
        return {}
    rows = exact(tables.read(folder / "tables" / "retraining.csv", "seed", *Cell._fields, "images", "accuracy"))
    found = {}
    for cell in cells:
        chosen = (rows["criterion"] == cell.criterion) & (rows["level"] == cell.level) & (rows["kind"] == cell.kind)
        network = Network(vocabulary.without_draw(cell.criterion), float(cell.level), OF_KINDS[cell.kind])
        parts, paths = found.setdefault(network, ([], []))
        parts.append(rows[chosen].assign(draw=cell.criterion))
        paths.append(f"retraining/{cell.path}")
    return {network: (pandas.concat(parts), paths) for network, (parts, paths) in found.items()}


def _histories(folder, settings, paths):
    """Every epoch of the trainings behind some files."""
    parts = []
    for seed in settings["training"]["seeds"]:
        for path in paths:
            stem = across.network_folder(folder, settings, seed) / path
            beside = stem.parent / "history.csv" if stem.name == "network" else Path(f"{stem}.history.csv")
            parts.append(tables.read(beside, "epoch", "validation_accuracy").assign(seed=seed, path=path))
    return pandas.concat(parts, ignore_index=True)


def _right(folder, settings, found):
    """{network: (images,) shares of draws that are right} of one training."""
    place = across.network_folder(folder, settings, settings["training"]["seeds"][0])
    right = {}
    for network, (_, paths) in found.items():
        bits = [correctness.read(place / f"{path}.h5", 1)[0] for path in paths]
        right[network] = np.mean(bits, axis=0)
    return right


# ---- differences ---------------------------------------------------------------------------------------------


def by_seed(study: Study, network: Network) -> pandas.Series:
    """(seeds,) accuracies, the draws of each averaged."""
    return study.cells[network].groupby("seed")["accuracy"].mean()


def compared(study: Study, first: Network, second: Network) -> Compared:
    """The accuracy of one kind minus that of another: over seeds, and of one training over test images."""
    if len(study.seeds) > 1:
        sides = [by_seed(study, network) for network in (first, second)]
    else:
        sides = [study.right[network] for network in (first, second)]
    options = study.settings["figures"]
    purpose = ("bootstrap", "tickets", *first, first.kind, second.kind)
    generator = seeds.numpy_generator(study.settings["seed"], *purpose)
    test = intervals.of_differences(sides[0] - sides[1], options["resamples"], generator, tested=True)
    difference = Difference(test.estimate, *test.interval(1 - options["confidence"]))
    return Compared(float(sides[0].mean()), float(sides[1].mean()), difference, study.n)


def until(study: Study, network: Network, share: float) -> Iterator[float]:
    """The epoch at which each training first has a share of the dense network's last validation accuracy, or NaN."""
    for seed in study.seeds:
        place = across.network_folder(study.folder, study.settings, seed)
        wanted = share * tables.read(place / "training" / "history.csv", "validation_accuracy").iloc[-1]
        wanted = float(wanted["validation_accuracy"])
        history = study.by_epoch[network]
        for _, part in history[history["seed"] == seed].groupby("path"):
            there = part.loc[part["validation_accuracy"] >= wanted, "epoch"]
            yield float(there.min())


def dense(study: Study) -> float:
    """The mean accuracy of the dense network."""
    return float(study.dense["accuracy"].mean())
