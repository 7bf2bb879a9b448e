"""What paired comparisons need of each evaluated network and image: one bit, right or wrong, and its loss."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas

from secateur import Refused
from secateur.artifacts import files, tables


def write(right: Sequence[np.ndarray], path: Path | str, losses: Sequence[np.ndarray] | None = None) -> None:
    """Write bools (rows, images), eight to a byte, in the order of the rows of the table beside, and their losses."""
    right = np.stack(right)
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["right"] = np.packbits(right, axis=1)
        file.attrs["images"] = right.shape[1]
        if losses is not None:
            # A row at a time: many networks with an empty layer have one loss for each class, and take no room.
            how = {"chunks": (1, right.shape[1]), "compression": "gzip", "shuffle": True}
            file.create_dataset("losses", data=np.stack(losses).astype(np.float32), **how)


def read(path: Path | str, rows: int) -> np.ndarray:
    """Bools (rows, images); Refused unless there are so many rows as the table beside has."""
    with h5py.File(path, "r") as file:
        right = np.unpackbits(file["right"][:], axis=1, count=int(file.attrs["images"])).astype(bool)
    if len(right) != rows:
        raise Refused(f"{path} has {len(right)} rows, but its table has {rows}; delete both and run again")
    return right


def losses(path: Path | str, rows: int) -> np.ndarray:
    """Losses (rows, images) in nats, float32; Refused unless there are so many rows as the table beside has."""
    with h5py.File(path, "r") as file:
        found = file["losses"][:] if "losses" in file else np.empty((0, 0))
    if len(found) != rows:
        raise Refused(f"{path} has losses of {len(found)} rows, but its table has {rows}; delete both and run again")
    return found


def by_criterion(table: pandas.DataFrame, right: np.ndarray) -> dict[str, np.ndarray]:
    """{criterion: bools (levels, images)} of the table's first floor, by rising level."""
    table = tables.first_floor(table.reset_index(drop=True)).sort_values("level", kind="stable")
    return {criterion: right[part.index] for criterion, part in table.groupby("criterion", sort=False)}


def of_family(table: Path | str, right: Path | str, split: str) -> dict[tuple[str, str], np.ndarray]:
    """{(split, criterion): bools (levels, images)} of a family's table of evaluations and the file beside it."""
    rows = tables.read(table, "criterion", "keep_at_least", "level")
    criteria = by_criterion(rows, read(right, len(rows)))
    return {(split, criterion): bools for criterion, bools in criteria.items()}
