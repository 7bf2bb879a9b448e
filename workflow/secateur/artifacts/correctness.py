"""Per-image results for paired comparisons: one bit, right or wrong, and the loss of every evaluated network."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas

from secateur import Refused
from secateur.artifacts import files, tables


def write(right: Sequence[np.ndarray], path: Path | str, losses: Sequence[np.ndarray] | None = None) -> None:
    """Write bools (rows, images), eight to a byte, and losses (rows, images) in nats, in the order of the table."""
    bits = np.stack(right)
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["right"] = np.packbits(bits, axis=1)
        file.attrs["images"] = bits.shape[1]
        if losses is None:
            return
        # One row per chunk: networks with an empty layer have one loss for each class, which compresses to nothing.
        storage = {"chunks": (1, bits.shape[1]), "compression": "gzip", "shuffle": True}
        file.create_dataset("losses", data=np.stack(losses).astype(np.float32), **storage)


def copy_without_losses(source: Path | str, path: Path | str) -> None:
    """Copy the bools of a file, and leave its losses, which take thirty times the space, out."""
    with _opened(source) as file:
        bits, images = file["right"][:], file.attrs["images"]
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["right"] = bits
        file.attrs["images"] = images


def read(path: Path | str, rows: int) -> np.ndarray:
    """Read bools (rows, images); Refused for a damaged file, and unless its table has as many rows."""
    with _opened(path) as file:
        right = np.unpackbits(file["right"][:], axis=1, count=int(file.attrs["images"])).astype(bool)
    if len(right) != rows:
        raise Refused(f"{path} has {len(right)} rows, but its table has {rows}; delete both and run again")
    return right


def _opened(path):
    """The file, open to read; Refused, with its name, for one that is no HDF5 file or cut short."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        # An errno means that the system cannot read the file, not that its content is wrong.
        if error.errno is not None:
            raise
        raise Refused(f"{path} is truncated or not an HDF5 file; delete it and run again") from error


def losses(path: Path | str, rows: int) -> np.ndarray:
    """Read losses (rows, images) in nats, float32; Refused for a damaged file or another count of rows."""
    values = np.empty((0, 0))
    with _opened(path) as file:
        if "losses" in file:
            values = file["losses"][:]
    if len(values) != rows:
        raise Refused(f"{path} has losses of {len(values)} rows, but its table has {rows}; delete both and run again")
    return values


def by_criterion(table: pandas.DataFrame, right: np.ndarray, recovery: str = tables.AS_PRUNED) -> dict[str, np.ndarray]:
    """{criterion: bools (levels, images)} at the table's first floor, of one recovery, by rising level."""
    table = tables.first_floor(table.reset_index(drop=True), recovery).sort_values("level", kind="stable")
    return {criterion: right[part.index] for criterion, part in table.groupby("criterion", sort=False)}


def of_families(
    pairs: Iterable[tuple[Path | str, Path | str]], split: str, recovery: str = tables.AS_PRUNED
) -> dict[tuple[str, str], np.ndarray]:
    """{(split, criterion): bools (levels, images)} of families: pairs of a table of evaluations and the file beside it.

    Of a criterion that two families have, the later one counts.
    """
    found = {}
    for table, right in pairs:
        rows = tables.read(table, "criterion", "recovery", "keep_at_least", "level")
        for criterion, bools in by_criterion(rows, read(right, len(rows)), recovery).items():
            found[split, criterion] = bools
    return found
