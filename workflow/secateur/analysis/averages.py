"""Average the evaluations of a study: over draws within a seed first, then over seeds, with intervals."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas

from secateur.analysis import intervals
from secateur.artifacts import evaluation_table, tables
from secateur.study import kinds, seeds, vocabulary

MEASURES = ("accuracy", "loss")
NEEDED = (*evaluation_table.CELL, "images", *MEASURES, "empty")
KEYS = ["keep_at_least", "criterion", "recovery", "level"]
MEANS = (*evaluation_table.COST, *MEASURES, "collapsed")


def evaluations(parts: Iterable[tuple[int, str, pandas.DataFrame]]) -> pandas.DataFrame:
    """One long table from [(seed, split, table), ...]."""
    tables = []
    for seed, split, table in parts:
        tables.append(table.assign(seed=seed, split=split))
    return pandas.concat(tables, ignore_index=True)


def on_test(evaluations: pandas.DataFrame, recovery: str = kinds.NONE.name) -> pandas.DataFrame:
    """The rows that are reported, of the first floor, of networks as pruned: those of figures that say nothing else."""
    rows = evaluations
    if "split" in evaluations:
        rows = evaluations[evaluations["split"] == "test"]
    return tables.first_floor(rows, recovery).reset_index(drop=True)


def curves(
    evaluations: pandas.DataFrame,
    right: Sequence[np.ndarray],
    losses: Sequence[np.ndarray],
    confidence: float,
    resamples: int,
    seed: int,
) -> pandas.DataFrame:
    """A row for each floor, criterion, recovery and level: means over seeds, and intervals of the change against dense.

    Compared is within a recovery: the dense network (level 0) and the random control have been treated alike. Rows of
    recoveries beside `none` have one comparison more: `versus_none` is the accuracy minus that of the same network as
    pruning left it.

    Draws of a control, or of a learned criterion, become one criterion. With several seeds the intervals are Student's
    on differences paired by seed. With one they come from `right`, [bools (rows, images), ...], and `losses`, [floats
    (rows, images), ...], in the order of the table's test rows; where a side is a control or a learned criterion, its
    draws are a source of variation, and of a single draw there is no interval (`intervals`). `versus_random` is the
    accuracy minus the random control's, in the same way.
    """
    tested = evaluations[evaluations["split"] == "test"].reset_index(drop=True)
    family = tested["criterion"].map(vocabulary.without_draw)
    tested = tested.assign(drawn=family != tested["criterion"], criterion=family)
    if tested["seed"].nunique() > 1:
        network, compared = _by_seed(tested), _over_seeds
    else:
        network, compared = _Network(tested, np.concatenate(right), np.concatenate(losses), seed), _over_images
    rows = []
    for keys, part in tested.groupby(KEYS, sort=False):
        cell = {"budget": part["budget"].iloc[0], **dict(zip(KEYS, keys, strict=True))}
        means = _draws_averaged(part)
        cell |= {"seeds": len(means), **{column: means[column].mean() for column in MEANS}}
        rows.append(cell | compared(network, keys, confidence, resamples))
    return pandas.DataFrame(rows)


def _draws_averaged(part):
    """A row for each seed."""
    collapsed = part["empty"].fillna("").ne("").astype(float)
    columns = part[["seed", *evaluation_table.COST, *MEASURES]].assign(collapsed=collapsed)
    return columns.groupby("seed", as_index=False).mean()


def _by_seed(tested):
    """{(floor, criterion, recovery, level): accuracy and loss by seed, draws averaged}."""
    cells = {}
    for keys, part in tested.groupby(KEYS, sort=False):
        cells[keys] = part.groupby("seed")[list(MEASURES)].mean()
    return cells


class _Network:
    """One network: its table, and the right answers and losses, (rows, images) in the order of the table."""

    def __init__(self, table, right, losses, seed):
        self.cells = dict(iter(table.groupby(KEYS, sort=False)))
        self.measured = {"accuracy": right, "loss": losses}
        self.seed = seed

    def __getitem__(self, keys):
        """{measure: (images,), or of a control (draws, images)} of a floor, criterion, recovery and level."""
        cell = self.cells[keys]
        # A criterion that is not drawn has a single row.
        rows = cell.index if cell["drawn"].iloc[0] else cell.index[0]
        return {name: values[rows].astype(np.float64) for name, values in self.measured.items()}


def _references(source, keys):
    """The dense network, and the random control at the same level and floor, after the same recovery."""
    floor, criterion, recovery, level = keys
    return source[floor, criterion, recovery, 0], source[floor, "random", recovery, level]


def _as_pruned(source, keys):
    """The accuracy of the same network as pruning left it; None for that network itself."""
    floor, criterion, recovery, level = keys
    if recovery == kinds.NONE.name:
        return None
    return source[floor, criterion, kinds.NONE.name, level]["accuracy"]


def _over_seeds(source, keys, confidence, resamples):
    """Differences to the dense network and to the random control, paired by seed."""
    cell = source[keys]
    dense, random = _references(source, keys)
    alpha = 1 - confidence
    changes = {
        "accuracy": intervals.of_differences(cell["accuracy"] - dense["accuracy"]),
        "loss": intervals.of_losses(cell["loss"] - dense["loss"]),
    }
    row = {}
    for measure, change in changes.items():
        middle, half = cell[measure].mean(), change.half(alpha)
        row[f"{measure}_change"] = change.estimate
        row |= _around(measure, middle - half, middle + half)
    row |= versus_columns("random", intervals.of_differences(cell["accuracy"] - random["accuracy"]), alpha)
    pruned = _as_pruned(source, keys)
    if pruned is not None:
        row |= versus_columns("none", intervals.of_differences(cell["accuracy"] - pruned), alpha)
    return row


def _over_images(source, keys, confidence, resamples):
    """Differences of one network, over its test images and over the draws of its controls."""
    cell = source[keys]
    dense, random = _references(source, keys)
    generator = seeds.numpy_generator(source.seed, "bootstrap", *_purpose(*keys))
    alpha = 1 - confidence
    change = intervals.of_differences(cell["accuracy"] - dense["accuracy"], resamples, generator)
    row = _change("accuracy", change, dense["accuracy"].mean(), alpha)
    alike = vocabulary.draws_alike(keys[KEYS.index("criterion")], "random")
    versus = intervals.of_differences(
        intervals.between(cell["accuracy"], random["accuracy"], alike), resamples, generator
    )
    row |= versus_columns("random", versus, alpha)
    row |= _change("loss", intervals.of_losses(cell["loss"] - dense["loss"]), dense["loss"].mean(), alpha)
    pruned = _as_pruned(source, keys)
    if pruned is not None:
        gain = intervals.of_differences(cell["accuracy"] - pruned, resamples, generator)
        row |= versus_columns("none", gain, alpha)
    return row


def _purpose(floor, criterion, recovery, level):
    """The words behind the draws of a cell; those of networks as pruned are the same without any recovery."""
    if recovery == kinds.NONE.name:
        return floor, criterion, level
    return floor, criterion, level, recovery


def _change(measure, change, dense, alpha):
    """A change against the dense network, with its interval around the mean."""
    low, high = change.interval(alpha)
    return {f"{measure}_change": change.estimate, **_around(measure, dense + low, dense + high)}


def _around(measure, low, high):
    """The two ends of an interval around a mean, cut where no mean can be."""
    low, high = intervals.within(low, high, most=1 if measure == "accuracy" else np.inf)
    return {f"{measure}_low": low, f"{measure}_high": high}


def versus_columns(
    name: str, difference: intervals.Student | intervals.OverImages | None, alpha: float
) -> dict[str, float]:
    """The columns of a difference to a reference, with its interval; no numbers where there is none."""
    estimate, (low, high) = math.nan, (math.nan, math.nan)
    if difference is not None:
        estimate, (low, high) = difference.estimate, difference.interval(alpha)
    return {f"versus_{name}": estimate, f"versus_{name}_low": low, f"versus_{name}_high": high}


def around_accuracy(row: Mapping[str, float], reference: str) -> dict[str, float]:
    """The two ends of an interval of the accuracy: those of its change against a reference, put around the mean."""
    base = row["accuracy"] - row[f"versus_{reference}"]
    low, high = (base + row[f"versus_{reference}_{end}"] for end in ("low", "high"))
    return _around("accuracy", low, high)
