"""Average the evaluations of a study: over draws within a seed first, then over seeds, with intervals."""

import numpy as np
import pandas

from secateur import intervals, names, seeds, tables

MEASURES = ("accuracy", "loss")
NEEDED = ("criterion", "budget", "keep_at_least", "level", "images", "accuracy", "loss", "empty")
KEYS = ["keep_at_least", "criterion", "level"]


def evaluations(parts):
    """One long table from [(seed, split, table), ...]."""
    return pandas.concat([table.assign(seed=seed, split=split) for seed, split, table in parts], ignore_index=True)


def on_test(evaluations):
    """The rows that are reported, of the first floor: what every figure shows unless it says otherwise."""
    rows = evaluations[evaluations["split"] == "test"] if "split" in evaluations else evaluations
    return tables.first_floor(rows).reset_index(drop=True)


def curves(evaluations, bits, confidence, resamples, seed):
    """One row for each floor, criterion and level: means over seeds, and intervals of the change against dense.

    Draws of a control become one criterion. With several seeds the intervals are Student's on differences paired by
    seed; with one, a paired bootstrap over test images from `bits`, [bools (rows, images), ...] in the order of the
    table's test rows, which gives no interval for the loss. `versus_random` is the accuracy minus the random
    control's, in the same way.
    """
    tested = evaluations[evaluations["split"] == "test"].reset_index(drop=True)
    tested["criterion"] = tested["criterion"].map(names.without_draw)
    several = tested["seed"].nunique() > 1
    over = _over_seeds if several else _over_images
    source = _by_seed(tested) if several else _by_image(tested, np.concatenate(bits), seed)
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
    return source[floor, criterion, 0], source.get((floor, "random", level))


def _over_seeds(source, keys, confidence, resamples):
    """Differences to the dense network and to the random control, paired by seed."""
    own, (dense, random) = source[keys], _references(source, keys)
    row = {}
    for measure in MEASURES:
        change, half = intervals.student(own[measure] - dense[measure], confidence)
        middle = own[measure].mean()
        row |= {f"{measure}_change": change, f"{measure}_low": middle - half, f"{measure}_high": middle + half}
    versus, half = intervals.student(own["accuracy"] - random["accuracy"], confidence)
    return row | {"versus_random": versus, "versus_random_low": versus - half, "versus_random_high": versus + half}


def _by_image(tested, bits, seed):
    """{(floor, criterion, level): (share of draws that are right (images,), mean loss)}, and the seed of the draws."""
    return {"seed": seed} | {
        keys: (bits[part.index].mean(0, dtype=np.float32), part["loss"].mean())
        for keys, part in tested.groupby(KEYS, sort=False)
    }


def _over_images(source, keys, confidence, resamples):
    """The same for one network, from which test images it gets right."""
    (right, loss), ((dense, dense_loss), (random, _)) = source[keys], _references(source, keys)
    right, dense, random = (values.astype(np.float64) for values in (right, dense, random))
    generator = seeds.numpy_generator(source["seed"], "bootstrap", *keys)
    low, high = intervals.paired_bootstrap(right, dense, confidence, resamples, generator)
    row = {"accuracy_change": right.mean() - dense.mean()}
    row |= {"accuracy_low": dense.mean() + low, "accuracy_high": dense.mean() + high}
    low, high = intervals.paired_bootstrap(right, random, confidence, resamples, generator)
    row |= {"versus_random": right.mean() - random.mean(), "versus_random_low": low, "versus_random_high": high}
    return row | {"loss_change": loss - dense_loss, "loss_low": np.nan, "loss_high": np.nan}
