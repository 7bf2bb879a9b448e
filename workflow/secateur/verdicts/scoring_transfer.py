"""Transfer of scorers: accuracies by the network and images that a scorer was fitted on, and those it is applied to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import pandas

from secateur.analysis.wording import percent
from secateur.study.kinds import KINDS, Cell
from secateur.verdicts import across, paired
from secateur.verdicts.scoring_study import Entry, Study, alike_but_fitted, plain, scored

NOT_FITTED = "no fit: the scorer as it was drawn"
WITHIN = "no fit: random channels within layers, at the widths of `{}`"


def section(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The blocks on transfer: a matrix for each treatment of the networks."""
    columns = [(study, level) for study in studies for level in _levels(study)]
    yield "heading", "Transfer"
    if not columns:
        yield "text", "No study applies a scorer that was fitted elsewhere."
        return
    yield (
        "text",
        "Test accuracy in percent, the mean over trainings. A column is a network, its images and a level; a row says "
        "on which network and images the scorer was fitted that ranks its units. Where that is the column's own, the "
        "accuracy is in bold. Below: the scorer as it was drawn, scores made by hand, and random channels. Differences "
        "with their intervals stand under the claims.",
    )
    for kind in KINDS:
        if any(kind in study.kinds_at(level) for study, level in columns):
            yield "text", f"Networks, {KINDS[kind].label}:"
            yield "table", matrix(columns, kind)


def _levels(study):
    """The levels at which scorers from elsewhere are applied."""
    return dict.fromkeys(study.level(entry) for entry in study.scorers if entry["file"] is not None)


def matrix(columns: Sequence[tuple[Study, float]], kind: str) -> pandas.DataFrame:
    """A row for each place where a scorer was fitted and for what stands beside, a column for each (study, level)."""
    cells = {}
    for study, level in columns:
        heading = _heading(study, level)
        if heading in cells:
            heading += f" (`{study.settings['study']}`)"
        cells[heading] = _column(study, level, kind)
    rows = sorted(dict.fromkeys(row for column in cells.values() for row in column), key=lambda row: row[0])
    return pandas.DataFrame(
        [
            {"fitted on": words} | {heading: column.get((order, words), "-") for heading, column in cells.items()}
            for order, words in rows
        ]
    )


def _heading(study, level):
    return f"{_own(study)}, level {percent(level)}"


def _own(study):
    return _place(across.label_of(study.settings), study.settings["data"]["name"])


def _place(network, images):
    return f"{network}, `{images}`"


def _column(study, level, kind):
    """{(its place in the order, the row's words): accuracy} of one network."""
    found: dict[tuple[int, str], str] = {}
    for order, words, name in _rows(study, level):
        cell = Cell(name, level, kind)
        if cell in study.cells:
            row = (order, words) if (order, words) not in found else (order, f"{words} (`{name}`)")
            value = paired.accuracy(study.mean(cell, "accuracy"))
            found[row] = f"**{value}**" if words == _own(study) else value
    return found


def _rows(study, level):
    """(place in the order, words, criterion) of all that is shown of a network."""
    here = [entry for entry in study.scorers if study.level(entry) == level]
    moved = [entry for entry in here if entry["file"] is not None]
    for entry in here:
        if entry in moved:
            yield 0, origin(entry), entry["name"]
        elif not any(alike_but_fitted(entry, other) for other in moved):
            continue
        elif plain(entry):
            yield 0, _own(study), entry["name"]
            yield 3, WITHIN.format(entry["name"]), f"shuffled.{entry['name']}"
        elif entry["fit"] == "none":
            yield 1, NOT_FITTED, entry["name"]
    for name in scored(study, level, "trained"):
        yield 2, f"no fit: scores `{name}`", name
    yield 4, "no fit: random channels of all layers", "random"


def origin(entry: Entry) -> str:
    """The network and images that a scorer from elsewhere was fitted on, as its file's place in a study's tree says.

    A file that lies elsewhere has its path.
    """
    study = _parts(entry)
    return f"`{entry['file']}`" if study is None else _place(across.written(study.network), study.images)


def sources(studies: Sequence[Study]) -> list[str]:
    """The names of the studies in whose results the scorers from elsewhere lie."""
    moved = [entry for study in studies for entry in study.scorers if entry["file"] is not None]
    return list(dict.fromkeys(parts.study for entry in moved if (parts := _parts(entry)) is not None))


class _Place(NamedTuple):
    """A scorer's place in results/STUDY/IMAGES/NETWORK/SEED/selection/NAME.pt."""

    study: str
    images: str
    network: str


def _parts(entry):
    """The _Place of a scorer's file, or None for one that lies elsewhere."""
    parts = PurePosixPath(entry["file"]).parts
    return _Place(*parts[-6:-3]) if len(parts) >= 6 and parts[-2] == "selection" else None
