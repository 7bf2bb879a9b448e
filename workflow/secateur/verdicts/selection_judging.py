"""Comparisons of a study with learned criteria, and whether the training images behind two networks match."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.study.kinds import KINDS, Cell
from secateur.verdicts import paired, selection_study
from secateur.verdicts.paired import NOT_COMPARED, NOT_MEASURED, Item
from secateur.verdicts.selection_study import DENSE, Study

# The training images behind two networks: as many, at least as many behind the second, or not to be compared.
EQUAL, AT_LEAST, ANY = "equal", "at least", "any"
COLUMNS = ("accuracy, %", "difference, points", "n", "training images")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two networks of one study, None where it was not measured; `images` says how their training images compare."""

    first: Cell | None
    second: Cell | None
    pair: str  # both in words
    images: str


def items(study: Study, comparisons: Iterator[Comparison], margin: float) -> Iterator[Item]:
    """The Items of comparisons: judged, or with the reason for which they are not."""
    for comparison in comparisons:
        yield _item(study, comparison, margin)


def _item(study, comparison, margin):
    first, second = comparison.first, comparison.second
    cells = row(study, comparison.pair)
    if first is None or second is None:
        return Item(cells, NOT_MEASURED)
    compared = selection_study.compared(study, first, second)
    cells["accuracy, %"] = " and ".join(map(paired.accuracy, (compared.first, compared.second)))
    cells["training images"] = " and ".join(images_of(study, cell) for cell in (first, second))
    if not as_many(study, first, second, comparison.images):
        return dataclasses.replace(paired.item(cells, compared, margin, at_chance=False), verdict=NOT_COMPARED)
    at_chance = max(compared.first, compared.second) <= study.chance + NEAR_CHANCE
    return paired.item(cells, compared, margin, at_chance)


def row(study: Study, pair: str) -> dict[str, str]:
    """The row of two networks in a claim's table, before anything is known of them."""
    return {"study": study.label, "compared": pair, **dict.fromkeys(COLUMNS, "-")}


def images_of(study: Study, cell: Cell) -> str:
    """The count of training images behind a network since the dense training, or from the start of fresh weights."""
    if cell == DENSE:
        return "0"
    return " or ".join(f"{count:,}" for count in study.distinct(cell, "trained_images"))


def as_many(study: Study, first: Cell, second: Cell, images: str) -> bool:
    """Tell whether the training images of two networks compare as `images` asks: EQUAL, AT_LEAST or ANY."""
    counts, others = (study.distinct(cell, "trained_images") for cell in (first, second))
    if images == EQUAL:
        return counts == others and len(counts) == 1
    return images == ANY or max(counts) <= min(others)


def words(criterion: str, kind: str) -> str:
    """A network in words: its criterion, and what became of it."""
    return f"`{criterion}` ({KINDS[kind].column})"


def versus(first: Cell | None, second: Cell | None, unmeasured: tuple[str, str], images: str) -> Comparison:
    """A Comparison of two networks, named as they are where they were measured, and else as in `unmeasured`."""
    sides = []
    for cell, name in zip((first, second), unmeasured, strict=True):
        sides.append(name if cell is None else _named(cell))
    return Comparison(first, second, " against ".join(sides), images)


def _named(cell):
    return "the dense network" if cell == DENSE else words(cell.criterion, cell.kind)
