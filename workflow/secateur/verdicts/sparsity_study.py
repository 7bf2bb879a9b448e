"""Finished studies of sparse training: their networks by variant and level, and paired differences between them.

Everything is read from a study's own files; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas

from secateur import Refused
from secateur.analysis import intervals, sparsity, wording
from secateur.artifacts import correctness, evaluation_table, sparsity_table, tables
from secateur.study import seeds, sparse
from secateur.study.sparse import REFERENCE, SparseCell
from secateur.verdicts import across
from secateur.verdicts.across import Difference
from secateur.verdicts.finished import Finished, exact
from secateur.verdicts.paired import Compared

DENSE = SparseCell(sparse.DENSE, 0.0)
NEEDED = ("seed", *sparsity_table.CELL, "images", *sparsity_table.SIZE, "accuracy", "empty")


@dataclasses.dataclass(frozen=True)
class Study(Finished):
    """A finished study of sparse training.

    `cells` has a row for each training seed, with the columns NEEDED. `right` is, of one network alone, {cell: bools
    (images,)}. `classes` is their count.
    """

    of_the_source: ClassVar[tuple[str, ...]] = ("resnet20_wide", "densenet40_24", "mobilenet_v1")
    cells: Mapping[SparseCell, pandas.DataFrame]
    right: Mapping[SparseCell, np.ndarray]
    classes: int

    @property
    def variants(self) -> Mapping[str, Any]:
        """The variants with their settings, Feather first."""
        variants = sparse.of(self.settings)["variants"]
        return {name: variants[name] for name in sparse.names(self.settings)}

    @property
    def levels(self) -> list[float]:
        """The levels of all variants, from the lowest."""
        return sorted({cell.level for cell in self.cells if cell != DENSE})

    @property
    def images(self) -> int:
        """The count of the images that are reported."""
        return int(self.cells[DENSE]["images"].iloc[0])

    @property
    def chance(self) -> float:
        """The accuracy of a guess."""
        return 1 / self.classes

    @property
    def n(self) -> str:
        """The count of what intervals are over, in words."""
        return f"{len(self.seeds)} seeds" if len(self.seeds) > 1 else "1 network"

    def mean(self, cell: SparseCell, column: str) -> float:
        """The mean of a column over seeds."""
        return float(self.cells[cell][column].mean())

    def marked(self, cell: SparseCell) -> str:
        """The variant of a cell as code, with a dagger where a network has a layer without weights."""
        collapsed = cell in self.cells and self.empty(cell)
        return f"`{cell.variant}`{wording.dagger(bool(collapsed))}"

    def empty(self, cell: SparseCell) -> list[str]:
        """The layers without weights of each network that has some."""
        return [layers for layers in self.cells[cell]["empty"] if layers]


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one without sparse networks, and an unfinished one."""
    folder, settings = Path(folder), across.settings_of(folder)
    if not settings.get("sparsity"):
        raise Refused(f"{folder} trains no sparse networks (sparsity), and this page is about those")
    if REFERENCE not in settings["sparsity"]["variants"]:
        raise Refused(f"{folder} has no variant `{REFERENCE}`, with which this page compares all others")
    cells = _cells(folder, settings)
    place = across.network_folder(folder, settings, settings["training"]["seeds"][0])
    evaluated = tables.read(place / "evaluation" / "random.csv", "level", "recovery")
    right = _right(place, evaluated, cells) if len(settings["training"]["seeds"]) == 1 else {}
    return Study(folder, settings, cells, right, len(evaluation_table.of_classes(evaluated)))


def _cells(folder, settings):
    """{SparseCell: a row for each seed}; Refused where one of the settings is not in the table."""
    path = folder / "tables" / "sparsity.csv"
    if not path.is_file():
        raise Refused(f"{folder} is no finished study: it has no tables/{path.name}; run it to its end")
    rows = tables.read(path, *NEEDED)
    rows = exact(rows).assign(empty=rows["empty"].fillna(""))
    found = {SparseCell(str(keys[0]), float(keys[1])): part for keys, part in rows.groupby(list(sparsity_table.CELL))}
    cells = {}
    for cell in (DENSE, *sparse.cells(settings)):
        part = found.get(cell)
        if part is None or set(part["seed"]) != set(settings["training"]["seeds"]):
            raise Refused(
                f"{folder} is no finished study: tables/{path.name} lacks networks of {cell.path}; run it to its end"
            )
        cells[cell] = part
    return cells


def _right(place, evaluated, cells):
    """{cell: bools (images,)} of the networks of one training."""
    right = {
        cell: correctness.read(place / "sparsity" / cell.path / "network.h5", 1)[0] for cell in cells if cell != DENSE
    }
    bits = correctness.read(place / "evaluation" / "random.h5", len(evaluated))
    return right | {DENSE: bits[sparsity.dense_row(evaluated).index[0]]}


def shared(first: Study, second: Study) -> list[SparseCell]:
    """The cells of one study that are the same trainings in another: settings and seeds alike, accuracies too."""
    for section in ("data", "split", "model", "training", "seed"):
        if first.settings[section] != second.settings[section]:
            return []
    cells = []
    for cell in first.cells.keys() & second.cells.keys():
        options = [study.variants.get(cell.variant, {}) for study in (first, second)]
        alike = sparse.options_of(options[0]) == sparse.options_of(options[1])
        if alike and by_seed(first, cell).equals(by_seed(second, cell)):
            cells.append(cell)
    return sorted(cells, key=lambda cell: (cell.level, cell.variant))


# ---- differences ---------------------------------------------------------------------------------------------


def compared(study: Study, first: SparseCell, second: SparseCell) -> Compared:
    """One network's accuracy minus another's: over seeds, and of one network over test images.

    The images are drawn as for tables/sparsity.means.csv.
    """
    if len(study.seeds) > 1:
        differences = by_seed(study, first) - by_seed(study, second)
    else:
        differences = study.right[first].astype(np.float64) - study.right[second]
    purpose = ("bootstrap", "sparsity", *first, second.variant)
    sides = (study.mean(first, "accuracy"), study.mean(second, "accuracy"))
    return of_differences(study, differences, sides, purpose)


def of_differences(
    study: Study,
    differences: pandas.Series | np.ndarray,
    sides: tuple[float, float],
    purpose: Sequence[str | float] = (),
) -> Compared:
    """The comparison of two `sides` from their paired differences; `purpose` names the draws of images."""
    options = study.settings["figures"]
    generator = seeds.numpy_generator(study.settings["seed"], *purpose)
    test = intervals.of_differences(differences, options["resamples"], generator, tested=True)
    return Compared(*sides, Difference(test.estimate, *test.interval(1 - options["confidence"])), study.n)


def by_seed(study: Study, cell: SparseCell) -> pandas.Series:
    """(seeds,) accuracies."""
    return study.cells[cell].set_index("seed")["accuracy"]
