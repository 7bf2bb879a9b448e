"""Average the evaluations of a study: over draws within a seed first, then over seeds, with intervals."""

import numpy as np
import pandas

from secateur import intervals, seeds

MEASURES = ("accuracy", "loss")


def evaluations(parts):
    """One long table from [(seed, criterion, table), ...]."""
    return pandas.concat(
        [table.assign(seed=seed, criterion=criterion) for seed, criterion, table in parts], ignore_index=True
    )


def curves(evaluations, bits, confidence, resamples, seed):
    """One row for each criterion and level: means over seeds, and intervals of the change against the dense network.

    The draws of `random.*` become one criterion `random`. With several seeds the intervals are Student's on
    differences paired by seed; with one, a paired bootstrap over test images from `bits`, {criterion: bools
    (levels, images)}, which gives no interval for the loss. `versus_random` is the accuracy minus the random
    control's, in the same way.
    """
    merged = _draws_averaged(evaluations)
    several = merged["seed"].nunique() > 1
    rows = []
    for (criterion, level), part in merged.groupby(["criterion", "level"], sort=False):
        row = {"criterion": criterion, "level": level, **_means(part)}
        if several:
            row |= _over_seeds(merged, part, level, confidence)
        else:
            generator = seeds.numpy_generator(seed, "bootstrap", criterion, level)
            row |= _over_images(merged, bits, criterion, level, confidence, resamples, generator)
        rows.append(row)
    return pandas.DataFrame(rows)


def _draws_averaged(evaluations):
    numbers = [c for c in evaluations.select_dtypes("number") if c not in ("seed", "level", "images")]
    names = evaluations["criterion"].where(~evaluations["criterion"].str.startswith("random."), "random")
    collapsed = evaluations["empty"].fillna("").ne("").astype(float)
    table = evaluations[["seed", "level", *numbers]].assign(criterion=names, collapsed=collapsed)
    return table.groupby(["criterion", "seed", "level"], sort=False, as_index=False).mean()


def _means(part):
    columns = ["units", "realised", "parameters", "macs", "accuracy", "loss", "collapsed"]
    return {"seeds": len(part), **{column: part[column].mean() for column in columns}}


def _over_seeds(merged, part, level, confidence):
    """Differences to the dense network and to the random control, paired by seed."""
    part = part.set_index("seed")
    dense = merged[(merged["criterion"] == part["criterion"].iloc[0]) & (merged["level"] == 0)].set_index("seed")
    random = merged[(merged["criterion"] == "random") & (merged["level"] == level)].set_index("seed")
    row = {}
    for measure in MEASURES:
        change, half = intervals.student(part[measure] - dense[measure], confidence)
        middle = part[measure].mean()
        row |= {
            f"{measure}_change": change,
            f"{measure}_low": middle - half,
            f"{measure}_high": middle + half,
        }
    versus, half = intervals.student(part["accuracy"] - random["accuracy"], confidence)
    return row | {
        "versus_random": versus,
        "versus_random_low": versus - half,
        "versus_random_high": versus + half,
    }


def _over_images(merged, bits, criterion, level, confidence, resamples, generator):
    """The same for one network, from which test images it gets right."""
    place = sorted(merged["level"].unique()).index(level)
    right, random = (_averaged(bits, name)[place] for name in (criterion, "random"))
    dense = _averaged(bits, criterion)[0]
    row = {}
    for name, reference in (("accuracy", dense), ("versus_random", random)):
        low, high = intervals.paired_bootstrap(right, reference, confidence, resamples, generator)
        change = right.mean() - reference.mean()
        if name == "accuracy":
            row |= {
                "accuracy_change": change,
                "accuracy_low": dense.mean() + low,
                "accuracy_high": dense.mean() + high,
            }
        else:
            row |= {"versus_random": change, "versus_random_low": low, "versus_random_high": high}
    loss = merged[(merged["criterion"] == criterion)].set_index("level")["loss"]
    return row | {"loss_change": loss[level] - loss[0], "loss_low": np.nan, "loss_high": np.nan}


def _averaged(bits, criterion):
    """(levels, images): right or wrong, averaged over draws."""
    names = [name for name in bits if name == criterion or name.startswith(f"{criterion}.") and criterion == "random"]
    return np.mean([bits[name] for name in names], axis=0)
