"""Average the evaluations of a study: over draws within a seed first, then over seeds, with intervals."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas

from secateur.analysis import intervals
from secateur.artifacts import tables
from secateur.study import seeds, vocabulary

MEASURES = ("accuracy", "loss")
NEEDED = ("criterion", "budget", "keep_at_least", "level", "images", "accuracy", "loss", "empty")
KEYS = ["keep_at_least", "criterion", "level"]


def evaluations(parts: Iterable[tuple[int, str, pandas.DataFrame]]) -> pandas.DataFrame:
    """One long table from [(seed, split, table), ...]."""
    return pandas.concat([table.assign(seed=seed, split=split) for seed, split, table in parts], ignore_index=True)


def on_test(evaluations: pandas.DataFrame) -> pandas.DataFrame:
    """The rows that are reported, of the first floor: what every figure shows unless it says otherwise."""
    rows = evaluations[evaluations["split"] == "test"] if "split" in evaluations else evaluations
    return tables.first_floor(rows).reset_index(drop=True)


def curves(
    evaluations: pandas.DataFrame,
    right: Sequence[np.ndarray],
    losses: Sequence[np.ndarray],
    confidence: float,
    resamples: int,
    seed: int,
) -> pandas.DataFrame:
    """One row for each floor, criterion and level: means over seeds, and intervals of the change against dense.

    Draws of a control become one criterion. With several seeds the intervals are Student's on differences paired by
    seed. With one they come from `right`, [bools (rows, images), ...], and `losses`, [floats (rows, images), ...], in
    the order of the table's test rows; where a control is one of the two sides, its draws are a source of variation,
    and of a single draw there is no interval (`intervals`). `versus_random` is the accuracy minus the random control's,
    in the same way.
    """
    tested = evaluations[evaluations["split"] == "test"].reset_index(drop=True)
    own = tested["criterion"].map(vocabulary.without_draw)
    tested = tested.assign(drawn=own != tested["criterion"], criterion=own)
    several = tested["seed"].nunique() > 1
    over = _over_seeds if several else _over_images
    source = _by_seed(tested) if several else _Network(tested, np.concatenate(right), np.concatenate(losses), seed)
    rows = []
    for keys, part in tested.groupby(KEYS, sort=False):
        about = {"budget": part["budget"].iloc[0], **dict(zip(KEYS, keys, strict=True))}
        rows.append({**about, **_means(_draws_averaged(part)), **over(source, keys, confidence, resamples)})
    return pandas.DataFrame(rows)


def _draws_averaged(part):
    """A row for each seed."""
    numbers = [c for c in part.select_dtypes("number") if c not in ("seed", *KEYS, "images")]
    collapsed = part["empty"].fillna("").ne("").astype(float)
    return part[["seed", *numbers]].assign(collapsed=collapsed).groupby("seed", as_index=False).mean()


def _means(means):
    columns = ["units", "realised", "parameters", "macs", "accuracy", "loss", "collapsed"]
    return {"seeds": len(means), **{column: means[column].mean() for column in columns}}


def _by_seed(tested):
    """{(floor, criterion, level): accuracy and loss by seed, draws averaged}."""
    return {keys: part.groupby("seed")[list(MEASURES)].mean() for keys, part in tested.groupby(KEYS, sort=False)}


def _references(source, keys):
    """What a row is compared with: the dense network, and the random control at the same level and floor."""
    floor, criterion, level = keys
    return source[floor, criterion, 0], source[floor, "random", level]


def _over_seeds(source, keys, confidence, resamples):
    """Differences to the dense network and to the random control, paired by seed."""
    own, (dense, random) = source[keys], _references(source, keys)
    row = {}
    for measure in MEASURES:
        change, half = intervals.student(own[measure] - dense[measure], confidence)
        middle = own[measure].mean()
        row |= {f"{measure}_change": change} | _around(measure, middle, middle - half, middle + half)
    versus, half = intervals.student(own["accuracy"] - random["accuracy"], confidence)
    return row | _versus_random(versus, intervals.within(versus - half, versus + half, least=-1))


def _around(measure, middle, low, high):
    """The interval of a change, put around a mean, and cut where no mean can be."""
    low, high = intervals.within(low, high, most=1 if measure == "accuracy" else np.inf)
    return {f"{measure}_low": low, f"{measure}_high": high}


def _versus_random(value, interval):
    return {"versus_random": value, "versus_random_low": interval[0], "versus_random_high": interval[1]}


class _Network:
    """One network: its table, and what it gets right and loses, (rows, images) in the order of the table."""

    def __init__(self, table, right, losses, seed):
        self.cells = dict(iter(table.groupby(KEYS, sort=False)))
        self.right, self.losses, self.seed = right, losses, seed

    def __getitem__(self, keys):
        """(right, losses) of a floor, criterion and level: (images,), or of a control (draws, images)."""
        cell = self.cells[keys]
        found = (values[cell.index].astype(np.float64) for values in (self.right, self.losses))
        return tuple(values if cell["drawn"].iloc[0] else values[0] for values in found)


def _over_images(source, keys, confidence, resamples):
    """The same for one network, from its test images and from the draws of its controls."""
    own, (dense, random) = source[keys], _references(source, keys)
    generator, alpha = seeds.numpy_generator(source.seed, "bootstrap", *keys), 1 - confidence
    change = intervals.of_network(own[0] - dense[0], resamples, generator)
    low, high = change.interval(alpha)
    row = {"accuracy_change": change.estimate}
    row |= _around("accuracy", own[0].mean(), dense[0].mean() + low, dense[0].mean() + high)
    versus = intervals.of_network(own[0] - random[0], resamples, generator)
    row |= _versus_random(versus.estimate, versus.interval(alpha))
    change = intervals.of_losses(own[1] - dense[1])
    low, high = change.interval(alpha)
    row |= {"loss_change": change.estimate}
    return row | _around("loss", own[1].mean(), dense[1].mean() + low, dense[1].mean() + high)
