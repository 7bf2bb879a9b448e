"""The two tables of a study, from those of single evaluations: all of their rows, and means with intervals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from secateur import Refused
from secateur.analysis import averages
from secateur.artifacts import correctness, places, tables

Paths = Sequence[Path | str]


def collected(
    paths: Paths, right: Paths, choosing: Paths, options: Mapping[str, Any]
) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Evaluations of all criteria and seeds as one table, and their means (`averages.curves`).

    `paths` and `right` are tables and bits on the test images, `choosing` tables on the images that choose; every seed
    has the same criteria. `options` are those of `page_options.tables`, with the seeds of these files. Refused for a
    file that is damaged, and for an accuracy or a loss that is no number.
    """
    tested = list(map(_read, paths))
    parts = [(places.seed_of(path), "test", part) for path, part in zip(paths, tested, strict=True)]
    for path in choosing:
        parts.append((places.seed_of(path), options["choose_on"], _read(path)))
    table = averages.evaluations(parts)
    bits, losses = [], []
    # Images are looked at only where they are needed: for one network.
    if len(options["seeds"]) == 1:
        lengths = list(map(len, tested))
        pairs = list(zip(right, lengths, strict=True))
        bits = list(itertools.starmap(correctness.read, pairs))
        losses = list(itertools.starmap(correctness.losses, pairs))
    return table, averages.curves(table, bits, losses, options["confidence"], options["resamples"], options["seed"])


def _read(path):
    """A table; Refused where an accuracy or a loss is no number, which a mean would leave out in silence."""
    table = tables.read(path, *averages.NEEDED)
    without = table[table[list(averages.MEASURES)].isna().any(axis=1)]
    if len(without):
        first, others = without.iloc[0], len(without) - 1
        place = f"{first['criterion']} at level {first['level']:g} (recovery {first['recovery']})"
        raise Refused(
            f"{path}: an accuracy or a loss of {place}{f', and of {others} other rows,' if others else ''} is no "
            "number, so that it has no mean with other networks: leave the criterion or the recovery out of the study"
        )
    return table
