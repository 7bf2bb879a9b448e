"""Finished studies with scorers: their networks, the course of every fit, and retraining by epoch.

Everything is read from a study's own files; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas

from secateur import Refused
from secateur.analysis import epochs
from secateur.artifacts import provenance, tables
from secateur.study import kinds, learned, retraining_checks
from secateur.study.kinds import KINDS, NONE, Cell
from secateur.verdicts import across, selection_study

Entry = Mapping[str, Any]

FIT = ("epoch", "closings", "forwards", "train_loss", "validation_loss", "validation_accuracy")


@dataclasses.dataclass(frozen=True)
class Study(selection_study.Study):
    """A finished study with scorers.

    `fits` has a row for each epoch of each fit: entry, draw, seed, CPU seconds so far, and the columns FIT. `by_epoch`
    has one for each epoch of each network that was trained after pruning, as `analysis.epochs.rows` makes them.
    """

    of_the_source: ClassVar[tuple[str, ...]] = ("resnet56", "vgg16_bn")
    fits: pandas.DataFrame
    by_epoch: pandas.DataFrame

    @property
    def scorers(self) -> list[Entry]:
        """The entries of scorers, in the order of the study."""
        return [entry for entry in self.settings["criteria"]["learned"] if learned.scores_units(entry)]

    @property
    def terms(self) -> dict[str, str]:
        """Scale, margin and intervals as in the base class; the source is known by its abstracts, and gives no size."""
        return super().terms | {"scale": "full size" if self.full_size else "smaller than full size"}

    @property
    def n_trainings(self) -> str:
        """The count of trainings, in words."""
        return f"{len(self.seeds)} training{'s' * (len(self.seeds) != 1)}"

    def level(self, entry: Entry) -> float:
        """The level of an entry: its own over all layers, and else the one at which its widths are met."""
        return entry.get("level") or self.levels[entry["name"]]

    def kinds_at(self, level: float) -> list[str]:
        """The kinds of networks that were measured at a level, in the order of the table of kinds."""
        made = {cell.kind for cell in self.cells if cell.level == level}
        return [name for name in KINDS if name in made]


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one without scorers."""
    base = selection_study.read(folder)
    entries = [entry for entry in base.settings["criteria"]["learned"] if learned.scores_units(entry)]
    if not entries:
        raise Refused(f"{folder} has no scorer (criteria.learned, kind: scorer), and this page is about those")
    return Study(**vars(base), fits=_fits(base), by_epoch=_by_epoch(base))


def _fits(base):
    parts = []
    for seed, (name, entry) in _each(base, learned.by_draw(base.settings["criteria"]["learned"]).items()):
        if learned.fitted(entry) and entry["fit"] != "none":
            place = across.network_folder(base.folder, base.settings, seed) / "selection"
            rows = tables.read(place / f"{name}.history.csv", *FIT)[list(FIT)]
            seconds = provenance.read(place / f"{name}.json")["learned"]["seconds"]
            parts.append(rows.assign(entry=entry["name"], draw=name, seed=seed, seconds=seconds))
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=["entry", *FIT])


def _by_epoch(base):
    parts = []
    for seed, cell in _each(base, kinds.by_epoch(retraining_checks.cells(base.settings))):
        place = across.network_folder(base.folder, base.settings, seed) / "retraining"
        history = tables.read(place / f"{cell.path}.history.csv", "epoch", "validation_loss", "validation_accuracy")
        parts.append(epochs.rows(history, cell.criterion, cell.level, cell.kind, seed))
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=[*epochs.NETWORK, "kind"])


def _each(base, items):
    """(seed, item) of all items of every training."""
    for seed in base.settings["training"]["seeds"]:
        for item in list(items):
            yield seed, item


def plain(entry: Entry) -> bool:
    """True for a scorer that is fitted here by gradients of soft gates, the cross-entropy, Adam and frozen weights."""
    keys = ("fit", "gate_gradient", "loss", "label_smoothing", "gate_optimizer", "weights")
    stage = ("gradient", "annealed", "cross_entropy", 0, "adam", "frozen")
    return learned.fitted(entry) and tuple(entry[key] for key in keys) == stage


def alike(first: Entry, second: Entry, *apart: str) -> bool:
    """True for two entries that differ in nothing but their names, draws and the keys `apart`."""
    keys = {*first, *second} - {"name", "draws", "kind", *apart}
    return all(first.get(key) == second.get(key) for key in keys)


def alike_but_fitted(first: Entry, second: Entry) -> bool:
    """True for two scorers of the same descriptors that choose the same shares of the same weights, however fitted."""
    return all(first[key] == second[key] for key in ("scope", "widths", "level", "at", "gradients"))


def scored(study: Study, level: float, at: str) -> list[str]:
    """Scores made by hand that were measured at a level, of the trained weights or the first ones.

    Those are the criteria of `criteria.scores`, and of trained weights the statistics of filters.
    """
    scores = study.settings["criteria"]["scores"]
    names = [entry["name"] for entry in scores if entry.get("at", "trained") == at]
    if at == "trained":
        names += [f"weight.{statistic}" for statistic in study.settings["criteria"]["statistics"]]
    return [name for name in names if Cell(name, level, NONE.name) in study.cells]
