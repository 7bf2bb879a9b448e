"""One bit for each evaluated network and image: right or wrong, eight to a byte, for paired comparisons."""

import h5py
import numpy as np

from secateur import files, tables


def write(right, path):
    """Write bools (rows, images), in the order of the rows of the table beside."""
    right = np.stack(right)
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["right"] = np.packbits(right, axis=1)
        file.attrs["images"] = right.shape[1]


def read(path, rows):
    """Bools (rows, images); ValueError unless there are so many rows as the table beside has."""
    with h5py.File(path, "r") as file:
        right = np.unpackbits(file["right"][:], axis=1, count=int(file.attrs["images"])).astype(bool)
    if len(right) != rows:
        raise ValueError(f"{path} has {len(right)} rows, but its table has {rows}; delete both and run again")
    return right


def by_criterion(table, right):
    """{criterion: bools (levels, images)} of the table's first floor, by rising level."""
    table = tables.first_floor(table.reset_index(drop=True)).sort_values("level", kind="stable")
    return {criterion: right[part.index] for criterion, part in table.groupby("criterion", sort=False)}
