"""Tables of sparse networks beside the dense one: means over seeds, with paired differences."""

from collections.abc import Iterable

import numpy as np
import pandas

from secateur.analysis import averages, intervals
from secateur.artifacts import evaluation_table, sparsity_table, tables
from secateur.study import seeds
from secateur.study.sparse import DENSE, REFERENCE

CELL = list(sparsity_table.CELL)
MEASURED = [*sparsity_table.SIZE, *evaluation_table.LOSS_AND_ACCURACY]
COLUMNS = ["seed", *CELL, "images", *MEASURED, "empty"]
# The references of a variant at a level: the network with all its weights, and Feather at the same level.
REFERENCES = {
    DENSE: lambda level: (DENSE, 0.0),
    REFERENCE: lambda level: (REFERENCE, level),
}


def dense_row(evaluated: pandas.DataFrame) -> pandas.DataFrame:
    """The row of the dense network as it is, from an evaluation's table.

    The index is that of the table, and so that of the bits beside it.
    """
    rows = tables.of_recovery(evaluated)
    return rows[rows["level"] == 0].head(1)


def dense(evaluated: pandas.DataFrame, size: dict[str, float]) -> pandas.DataFrame:
    """The row of the network with all its weights among sparse ones; `size` are the columns that no evaluation has."""
    rows = dense_row(evaluated)
    return rows.assign(variant=DENSE, level=0.0, macs_left=rows["macs"], sparsity=0.0, gradient_density=1.0, **size)


def gathered(parts: Iterable[tuple[int, pandas.DataFrame]]) -> pandas.DataFrame:
    """One long table from [(seed, table), ...], with COLUMNS and the shares of weights left by layer."""
    rows = pandas.concat([table.assign(seed=seed) for seed, table in parts], ignore_index=True)
    return rows[[*COLUMNS, *sparsity_table.of_layers(rows)]].assign(empty=rows["empty"].fillna(""))


def means(
    rows: pandas.DataFrame, bits: np.ndarray | None, confidence: float, resamples: int, seed: int
) -> pandas.DataFrame:
    """A row for each variant and level of a gathered table: means over seeds, and differences with paired intervals.

    Differences of the accuracy are to each of REFERENCES: Student's over seeds; of one network, a bootstrap over test
    images from `bits`, bools (rows, images), which are None for several seeds. `accuracy_low` and `accuracy_high` are
    the interval of the change against the dense network, put around the mean. `collapsed` is the share of networks with
    a layer without weights.
    """
    cells = dict(iter(rows.groupby(CELL, sort=False)))
    order = sorted(cells, key=lambda keys: (keys[1], keys[0] != REFERENCE, keys[0]))

    def differences(own, reference):
        if bits is None:
            return own.set_index("seed")["accuracy"] - reference.set_index("seed")["accuracy"]
        first, second = (bits[part.index[0]].astype(np.float64) for part in (own, reference))
        return first - second

    table = []
    for keys in order:
        row = _mean(cells[keys], keys)
        for name, of in REFERENCES.items():
            reference, difference = cells.get(of(keys[1])), None
            if reference is not None and of(keys[1]) != keys:
                generator = seeds.numpy_generator(seed, "bootstrap", "sparsity", *keys, name)
                difference = intervals.of_differences(differences(cells[keys], reference), resamples, generator)
            row |= averages.versus_columns(name, difference, 1 - confidence)
        table.append(row | averages.around_accuracy(row, DENSE))
    return pandas.DataFrame(table)


def _mean(own, keys):
    row = dict(zip(CELL, keys, strict=True)) | {"seeds": own["seed"].nunique()}
    columns = [*MEASURED, *sparsity_table.of_layers(own)]
    row |= own[columns].mean().to_dict()
    row["collapsed"] = own["empty"].ne("").mean()
    return row
