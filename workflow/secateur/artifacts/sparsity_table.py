"""The table of one sparse network: a row, and its columns, which everything that reads such a table takes from here."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from secateur import Refused
from secateur.artifacts import evaluation_table, tables

CELL = ("variant", "level")
# `weights` are those that can be zero, `sparsity` the share of them that is, `parameters` all of the network's.
# `macs_left` are multiply-adds by weights that are not zero, `gradient_density` the share of weights with a gradient at
# the end of the training, `bytes` those of the file.
SIZE = (
    *("weights", "zeros", "sparsity", "parameters", "macs", "macs_left"),
    *("bytes", "bytes_compressed", "gradient_density"),
)
MEASURED = ("images", *SIZE, *evaluation_table.LOSS_AND_ACCURACY, "empty")
# zlib's own default is 6; files are small, and nothing waits for this.
COMPRESSION = 9
# `left.conv1.weight` is the share of a layer's weights that is not zero.
OF_LAYER = "left."


def size_of(path: Path | str) -> dict[str, int]:
    """The bytes of a network's file, and those of the same file as zlib packs it."""
    content = Path(path).read_bytes()
    return {"bytes": len(content), "bytes_compressed": len(zlib.compress(content, COMPRESSION))}


def row(
    cell: Mapping[str, Any],
    left: Any,
    size: Mapping[str, int],
    gradient_density: float,
    measured: Any,
    classes: Iterable[str],
) -> dict[str, Any]:
    """One sparse network: {column: value}.

    `cell` has the columns CELL, or those of another table, `left` is a `sparsity.remaining.Remaining`, `size` that of
    `size_of`, and `measured` has `right`, `loss`, `accuracy` and `by_class`.
    """
    row = {**cell, "images": len(measured.right)}
    row |= {"weights": left.weights, "zeros": left.zeros, "sparsity": left.zeros / left.weights}
    row |= {key: getattr(left, key) for key in ("parameters", "macs", "macs_left")} | dict(size)
    row |= {"gradient_density": gradient_density, "loss": measured.loss, "accuracy": measured.accuracy}
    row["empty"] = " ".join(left.empty)
    for name, (count, open_count) in left.by_layer.items():
        row[f"{OF_LAYER}{name}"] = open_count / count
    for name, accuracy in zip(classes, measured.by_class, strict=True):
        row[f"{evaluation_table.OF_CLASS}{name}"] = accuracy
    return row


def read(path: Path | str, cell: Sequence[str] = CELL) -> pandas.DataFrame:
    """The table of one sparse network, a row with the columns `cell`; Refused for one that is cut short."""
    table = tables.read(path, *cell, *MEASURED)
    if len(table) != 1 or table["accuracy"].isna().any():
        raise Refused(f"{path} is cut short: it has no whole row; delete it and run again")
    return table


def of_layers(table: pandas.DataFrame) -> list[str]:
    """The columns with the share of single layers' weights that is left."""
    return [column for column in table if column.startswith(OF_LAYER)]
