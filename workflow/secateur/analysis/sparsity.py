"""Tables of networks with zero weights beside the dense one: means over seeds, with paired differences."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from secateur import Refused
from secateur.analysis import averages, intervals
from secateur.artifacts import correctness, evaluation_table, places, sparsity_table, tables
from secateur.study import seeds
from secateur.study.sparse import DENSE, REFERENCE

MEASURED = [*sparsity_table.SIZE, *evaluation_table.LOSS_AND_ACCURACY]
# What a table of evaluations has to have, of which level 0 is the dense network.
EVALUATED = ("recovery", "level", "images", "parameters", "macs", "loss", "accuracy", "empty")
Keys = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Cells:
    """The cells of a table: the columns that name one, and what it is compared with.

    `dense` are the keys of the dense network, `references` {name: the keys of a cell's reference, from its own}, and
    `order` sorts keys. `purpose` names the draws of test images.
    """

    columns: tuple[str, ...]
    dense: Keys
    references: Mapping[str, Callable[[Keys], Keys]]
    order: Callable[[Keys], Any]
    purpose: str

    @property
    def gathered(self) -> list[str]:
        """The columns of a gathered table, but for those of layers."""
        return ["seed", *self.columns, "images", *MEASURED, "empty"]


# A variant at a level is compared with the network that has all its weights, and with Feather at the same level.
VARIANTS = Cells(
    columns=sparsity_table.CELL,
    dense=(DENSE, 0.0),
    references={DENSE: lambda keys: (DENSE, 0.0), REFERENCE: lambda keys: (REFERENCE, keys[1])},
    order=lambda keys: (keys[1], keys[0] != REFERENCE, keys[0]),
    purpose="sparsity",
)


def collected(
    inputs: Mapping[str, Sequence[Path | str]], networks: tuple[str, str], cells: Cells, single: bool
) -> tuple[pandas.DataFrame, np.ndarray | None]:
    """(the gathered table, bools (rows, images) in its order) of all networks and of the dense ones behind them.

    `networks` are the names of the inputs with tables of networks and with their bits; beside them are `dense`, the
    files of dense networks, and `evaluated` with `evaluated_bits`. Bits are read of a `single` training alone.
    """
    parts, right, weights = [], [], {}
    for path, bits in zip(*(inputs[name] for name in networks), strict=True):
        table = sparsity_table.read(path, cells.columns)
        weights[places.seed_of(path)] = int(table["weights"].iloc[0])
        parts.append((places.seed_of(path), table))
        if single:
            right.append(correctness.read(bits, 1))
    for path, bits, network in zip(inputs["evaluated"], inputs["evaluated_bits"], inputs["dense"], strict=True):
        table, seed = tables.read(path, *EVALUATED), places.seed_of(path)
        size = {"weights": weights[seed], "zeros": 0, **sparsity_table.size_of(network)}
        row = dense(table, size, cells)
        parts.append((seed, row))
        if single:
            right.append(correctness.read(bits, len(table))[row.index])
    return gathered(parts, cells), np.concatenate(right) if single else None


def histories(
    paths: Iterable[Path | str],
    epochs: int,
    names: Callable[[str, str], dict[str, Any]],
    needed: Iterable[str] = ("validation_accuracy",),
) -> pandas.DataFrame:
    """One table of all histories of networks with zero weights, with the seed of their paths.

    `names` are columns from the two folders that name a network. Refused for a history that lacks a column or an epoch.
    """
    parts = []
    for path in paths:
        history = tables.read(path, "epoch", *needed)
        if len(history) != epochs or history.iloc[-1].isna().any():
            raise Refused(f"{path} is cut short: it has not all {epochs} epochs; delete it and run again")
        parts.append(history.assign(**names(*Path(path).parts[-3:-1]), seed=places.seed_of(path)))
    return pandas.concat(parts, ignore_index=True)


def named(variant: str, level: str) -> dict[str, Any]:
    """The columns that name a sparse network, from the folders of its files."""
    return {"variant": variant, "level": float(level)}


def dense_row(evaluated: pandas.DataFrame) -> pandas.DataFrame:
    """The row of the dense network as it is, from an evaluation's table.

    The index is that of the table, and so that of the bits beside it.
    """
    rows = tables.of_recovery(evaluated)
    return rows[rows["level"] == 0].head(1)


def dense(evaluated: pandas.DataFrame, size: dict[str, float], cells: Cells = VARIANTS) -> pandas.DataFrame:
    """The row of the network with all its weights among others; `size` are the columns that no evaluation has."""
    rows = dense_row(evaluated)
    named = dict(zip(cells.columns, cells.dense, strict=True))
    return rows.assign(macs_left=rows["macs"], sparsity=0.0, gradient_density=1.0, **size, **named)


def gathered(parts: Iterable[tuple[int, pandas.DataFrame]], cells: Cells = VARIANTS) -> pandas.DataFrame:
    """One long table from [(seed, table), ...], with the shares of weights left by layer."""
    rows = pandas.concat([table.assign(seed=seed) for seed, table in parts], ignore_index=True)
    return rows[[*cells.gathered, *sparsity_table.of_layers(rows)]].assign(empty=rows["empty"].fillna(""))


def means(
    rows: pandas.DataFrame,
    bits: np.ndarray | None,
    confidence: float,
    resamples: int,
    seed: int,
    cells: Cells = VARIANTS,
) -> pandas.DataFrame:
    """A row for each cell of a gathered table: means over seeds, and differences with paired intervals.

    Differences of the accuracy are to each reference of the `cells`: Student's over seeds; of one network, a bootstrap
    over test images from `bits`, bools (rows, images), which are None for several seeds. `accuracy_low` and
    `accuracy_high` are the interval of the change against the dense network, put around the mean. `collapsed` is the
    share of networks with a layer without weights.
    """
    measured = dict(iter(rows.groupby(list(cells.columns), sort=False)))

    def differences(own, reference):
        if bits is None:
            return own.set_index("seed")["accuracy"] - reference.set_index("seed")["accuracy"]
        first, second = (bits[part.index[0]].astype(np.float64) for part in (own, reference))
        return first - second

    table = []
    for keys in sorted(measured, key=cells.order):
        row = _mean(measured[keys], dict(zip(cells.columns, keys, strict=True)))
        for name, of in cells.references.items():
            reference, difference = measured.get(of(keys)), None
            if reference is not None and of(keys) != keys:
                generator = seeds.numpy_generator(seed, "bootstrap", cells.purpose, *keys, name)
                difference = intervals.of_differences(differences(measured[keys], reference), resamples, generator)
            row |= averages.versus_columns(name, difference, 1 - confidence)
        table.append(row | averages.around_accuracy(row, DENSE))
    return pandas.DataFrame(table)


def _mean(own, named):
    row = named | {"seeds": own["seed"].nunique()}
    columns = [*MEASURED, *sparsity_table.of_layers(own)]
    row |= own[columns].mean().to_dict()
    row["collapsed"] = own["empty"].ne("").mean()
    return row
