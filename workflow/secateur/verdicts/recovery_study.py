"""Finished studies of recovery: their networks by criterion, level and treatment, at equal multiply-adds.

Everything is read from a study's own files; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from secateur import Refused
from secateur.study.kinds import BATCHNORM, DISTILLED, NONE, RECONSTRUCTED, RETRAINED, Cell
from secateur.study.vocabulary import PER
from secateur.verdicts import selection_study
from secateur.verdicts.selection_study import DENSE

RANDOM = "random"
# Kinds that stand on the page, in its order.
SHOWN = (NONE.name, BATCHNORM.name, RECONSTRUCTED.name, DISTILLED.name, RETRAINED.name)


@dataclasses.dataclass(frozen=True)
class Study(selection_study.Study):
    """A finished study whose levels are shares of the multiply-adds, with recoveries of every criterion."""

    @property
    def criteria(self) -> list[str]:
        """The criteria that were evaluated, draws as one, chance last."""
        known = [cell.criterion for cell in self.cells if cell.kind == NONE.name and cell != DENSE]
        names = [name for name in dict.fromkeys(known) if not name.startswith(("uniform.", "shuffled."))]
        return sorted(names, key=lambda name: name == RANDOM)

    @property
    def shares(self) -> list[float]:
        """The levels above 0: shares of the multiply-adds that leave."""
        return [round(float(level), 9) for level in self.settings["levels"] if level > 0]

    @property
    def treatments(self) -> list[str]:
        """The treatments of every criterion and level, `none` first."""
        return list(self.settings["evaluation"]["recovery"])

    def left(self, cell: Cell) -> float:
        """The share of the dense network's multiply-adds that networks of a cell have left."""
        return self.mean(cell, "macs") / self.mean(DENSE, "macs")


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one without `reconstructed`, or with another budget."""
    base = selection_study.measured(folder)
    evaluation = base.settings["evaluation"]
    if RECONSTRUCTED.name not in evaluation["recovery"] or evaluation["budget"] != "macs":
        raise Refused(
            f"{folder} is no study of recovery at equal multiply-adds: it needs evaluation.budget: macs and "
            "reconstructed in evaluation.recovery"
        )
    return Study(**vars(base))


def by_cost(study: Study) -> list[tuple[str, str]]:
    """(criterion by cost, the same as it is) of all that have both."""
    pairs = []
    for name in study.criteria:
        plain = name.removesuffix(PER["macs"])
        if plain != name and plain in study.criteria:
            pairs.append((name, plain))
    return pairs
