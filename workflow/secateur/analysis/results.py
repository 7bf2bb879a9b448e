"""The evaluations of a study as results that are asked by criterion, level and split."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from secateur.artifacts import evaluation_table
from secateur.artifacts.tables import AS_PRUNED, first_floor

if TYPE_CHECKING:
    import pandas

# Levels are read from text and compared so closely.
DIGITS = 9


class MissingError(ValueError):
    """A comparison asks for a criterion, a level or a split that the study does not have."""


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a comparison: a criterion, or one chosen for each (level, seed), with the name that says so.

    A name without its draw (`random`) stands for the mean of its draws.
    """

    label: str
    chosen: tuple[tuple[tuple[float, int], str], ...] = ()

    def criterion(self, level: float, seed: int) -> str:
        """The criterion at a level of the network with this training seed."""
        return dict(self.chosen)[level, seed] if self.chosen else self.label


class Results:
    """The evaluations of a study and, of one network, the images it gets right: {(split, criterion): bools}.

    Only networks of one recovery count, as pruned unless it is named, and of settings of `keep_at_least` only the one
    that the table names first. Levels are rounded to nine digits.
    """

    def __init__(
        self,
        evaluations: pandas.DataFrame,
        bits: Mapping[tuple[str, str], np.ndarray],
        recovery: str = AS_PRUNED,
    ) -> None:
        self.table = _prepared(evaluations, recovery)
        self.bits = bits
        self.seeds = sorted(map(int, self.table["seed"].unique()))
        self.chance = 1 / len(evaluation_table.of_classes(self.table))
        # Positions alone: a frame for each of a study's thousands of cells takes seconds, and few are asked for.
        self._places = self.table.groupby(["split", "criterion", "level"], sort=False).indices
        self._cells: dict[tuple[str, str, float], pandas.DataFrame] = {}
        self._names = self.table.groupby("split")["criterion"].unique().map(list).to_dict()
        self._levels = self.table.groupby(["split", "criterion"])["level"].unique().map(sorted).to_dict()

    def names(self, criterion: str, split: str = "test") -> list[str]:
        """A criterion itself, or its draws."""
        known = self._names.get(split, [])
        if criterion in known:
            return [criterion]
        draws = list(filter(re.compile(re.escape(criterion) + r"\.\d+").fullmatch, known))
        if not draws:
            raise MissingError(f"the study has no `{criterion}` on the split {split}")
        return draws

    def has(self, criterion: str) -> bool:
        """Tell whether a criterion, or a draw of it, was evaluated on any split."""
        named = re.compile(re.escape(criterion) + r"(\.\d+)?")
        return any(map(named.fullmatch, self.table["criterion"].unique()))

    def levels(self, criterion: str, split: str = "test") -> list[float]:
        """The levels at which a criterion was evaluated, sorted."""
        return self._levels[split, self.names(criterion, split)[0]]

    def column(self, criterion: str, level: float, column: str, split: str = "test") -> dict[int, float]:
        """{seed: value} of one column, draws averaged within a seed."""
        parts = [self._cell(name, level, split)[column] for name in self.names(criterion, split)]
        total = cast("pandas.Series", sum(parts))
        return (total / len(parts)).to_dict()

    def accuracy(self, side: Side, level: float, split: str = "test") -> float:
        """Mean accuracy over seeds, draws averaged first."""
        values = [self.of_seed(side, level, seed, split) for seed in self.seeds]
        return float(np.mean(values))

    def of_seed(self, side: Side, level: float, seed: int, split: str = "test") -> float:
        """The accuracy of one network, draws averaged."""
        return self.column(side.criterion(level, seed), level, "accuracy", split)[seed]

    def is_control(self, criterion: str, split: str = "test") -> bool:
        """Tell whether a name stands for draws."""
        return self.names(criterion, split) != [criterion]

    def dense(self) -> float:
        """Mean test accuracy over seeds before anything is removed; level 0 of every criterion is the same network."""
        return float(self._dense().mean())

    def dense_range(self) -> tuple[float, float]:
        """The lowest and the highest test accuracy of the networks before anything is removed."""
        accuracies = self._dense()
        return float(accuracies.min()), float(accuracies.max())

    def _dense(self):
        rows = self.table[(self.table["split"] == "test") & (self.table["level"] == 0)]
        return rows.drop_duplicates("seed")["accuracy"]

    def right(self, criterion: str, level: float, split: str = "test") -> np.ndarray:
        """(images,): right or wrong for the one network, averaged over draws."""
        return self.by_draw(criterion, level, split).mean(0)

    def by_draw(self, criterion: str, level: float, split: str = "test") -> np.ndarray:
        """(draws, images): right or wrong for the one network, as 1 and 0; a criterion without draws has one row."""
        names = self.names(criterion, split)
        self._cell(names[0], level, split)
        place = self.levels(criterion, split).index(round(level, DIGITS))
        try:
            return np.stack([self.bits[split, name][place] for name in names]).astype(np.float64)
        except KeyError:
            raise MissingError(f"no right or wrong images are stored of `{criterion}` on the split {split}") from None

    def empty(self, side: Side, level: float, split: str = "test") -> list[str]:
        """The layers that are empty in any of the networks, in the order of the table."""
        layers = {}
        for seed in self.seeds:
            for name in self.names(side.criterion(level, seed), split):
                layers |= dict.fromkeys(self._cell(name, level, split)["empty"][seed].split())
        return list(layers)

    def images(self, split: str = "test") -> int:
        """The count of a split's images, or 0 where the table does not give it."""
        rows = self.table[self.table["split"] == split]
        if rows.empty or "images" not in rows:
            return 0
        return int(rows["images"].iloc[0])

    def _cell(self, name, level, split):
        """The rows of a cell by seed, one for each; MissingError where there are none, or several for a seed."""
        key = split, name, round(level, DIGITS)
        if key not in self._cells:
            rows = self.table.iloc[self._places.get(key, [])]
            if rows.empty or rows["seed"].duplicated().any():
                raise MissingError(f"the study has no level {100 * level:g} % of `{name}` on the split {split}")
            self._cells[key] = rows.set_index("seed")
        return self._cells[key]


def _prepared(table, recovery):
    table = table.assign(level=table["level"].round(DIGITS), empty=table["empty"].fillna(""))
    if "split" not in table:
        table = table.assign(split="test")
    if "keep_at_least" not in table:
        return table
    return first_floor(table, recovery)


def best(results: Results, names: Sequence[str], level: float, split: str) -> dict[int, str]:
    """{seed: the name with the highest accuracy on a split}; on ties the lowest loss, then the first, decides."""
    measured = {}
    for name in names:
        accuracy = results.column(name, level, "accuracy", split)
        measured[name] = accuracy, results.column(name, level, "loss", split)

    def merit(name, seed):
        accuracy, loss = measured[name]
        return round(accuracy[seed], 12), -loss[seed]

    return {seed: max(names, key=functools.partial(merit, seed=seed)) for seed in results.seeds}


def chosen(results: Results, label: str, names: Sequence[str], levels: Iterable[float], split: str) -> Side:
    """A side that is, at each level and for each seed, the best of `names` on a split."""
    picks = []
    for level in levels:
        for seed, name in best(results, names, level, split).items():
            picks.append(((level, seed), name))
    return Side(label, tuple(picks))
