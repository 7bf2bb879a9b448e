"""Tables of retrained networks, beside the same without retraining, from fresh weights, at random, and dense."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas

from secateur.analysis import averages, intervals, wording
from secateur.artifacts import evaluation_table, tables
from secateur.study import seeds, vocabulary
from secateur.study.kinds import DISTILLED, KINDS, NONE, SCRATCH

CELL = ["criterion", "level", "kind"]
# `trained_images` counts those behind the weights after the dense training, repeated ones each time.
MEASURED = ["trained_images", "parameters", "macs", *evaluation_table.LOSS_AND_ACCURACY]
COLUMNS = ["seed", *CELL, "images", *MEASURED, "empty"]
# The references of a cell (criterion, level, kind): its own network without retraining and from fresh weights, the
# random control treated alike, the dense network.
REFERENCES = {
    NONE.name: lambda criterion, level, kind: (criterion, level, NONE.name),
    SCRATCH.name: lambda criterion, level, kind: (criterion, level, SCRATCH.name),
    "random": lambda criterion, level, kind: ("random", level, _of_random(kind)),
    "dense": lambda criterion, level, kind: (criterion, 0, NONE.name),
}


def _of_random(kind):
    """The kind of random channels that are treated alike; those have no weights that were learned with a criterion."""
    return KINDS[kind].order_of if KINDS[kind].learned and KINDS[kind].order_of else kind


def untouched(table: pandas.DataFrame, wanted: Mapping[str, Sequence[float]]) -> pandas.DataFrame:
    """The rows of an evaluation with {criterion: levels}, and these criteria dense, of its first floor, as pruned.

    The index is that of the table, and so that of the bits beside it.
    """
    first = tables.first_floor(table)
    shown = pandas.Series(False, index=first.index)
    for criterion, levels in wanted.items():
        shown |= (first["criterion"] == criterion) & first["level"].isin([0, *levels])
    return first[shown].assign(kind=NONE.name, trained_images=0)


def gathered(parts: Iterable[tuple[int, pandas.DataFrame]]) -> pandas.DataFrame:
    """One long table with COLUMNS from [(seed, table), ...], criteria in the order in which they come."""
    tables = [table.assign(seed=seed) for seed, table in parts]
    rows = pandas.concat(tables, ignore_index=True)
    return rows[COLUMNS].assign(empty=rows["empty"].fillna(""))


def means(
    rows: pandas.DataFrame, bits: np.ndarray | None, confidence: float, resamples: int, seed: int
) -> pandas.DataFrame:
    """A row for each cell of a gathered table: means over seeds, and differences with paired intervals.

    Draws of the random control, and of learned criteria, are averaged within a seed first. Differences of the accuracy
    are to each of REFERENCES: Student's over seeds; of one network, over test images from `bits`, bools (rows, images),
    and over draws, of one of which there is no interval. `accuracy_low` and `accuracy_high` are the interval of the
    change against the dense network, put around the mean. A cell of which a network could not be retrained has no
    accuracy. `draws` counts those behind the mean of a cell; a difference to another kind of the same criterion is that
    of the draws that both have.
    """
    rows = rows.assign(draw=rows["criterion"], criterion=rows["criterion"].map(vocabulary.without_draw))
    cells = dict(iter(rows.groupby(CELL, sort=False)))
    compared = _over_images(bits, resamples, seed)
    if rows["seed"].nunique() > 1:
        compared = _over_seeds
    order = _in_order(cells, rows["criterion"].unique())
    return pandas.DataFrame(_mean(cells, keys, compared, 1 - confidence) for keys in order)


def _in_order(cells, criteria):
    """The cells at which something is removed, by level, then by criterion, then by kind."""
    criteria, kinds = list(criteria), list(KINDS)

    def place(keys):
        criterion, level, kind = keys
        return level, criteria.index(criterion), kinds.index(kind)

    return sorted((keys for keys in cells if keys[1] > 0), key=place)


def _mean(cells, keys, compared, alpha):
    own = cells[keys]
    by_seed = own.groupby("seed")[MEASURED].agg(_strict_mean)
    row = dict(zip(CELL, keys, strict=True)) | {"seeds": len(by_seed), "draws": own["draw"].nunique()}
    row |= by_seed.agg(_strict_mean).to_dict()
    row["collapsed"] = own["empty"].ne("").groupby(own["seed"]).mean().mean()
    for name, of in REFERENCES.items():
        reference = cells.get(of(*keys))
        pair = None if reference is None else of_shared_draws(own, reference)
        difference = None if pair is None else compared(*pair, (*keys, name))
        row |= averages.versus_columns(name, difference, alpha)
    return row | averages.around_accuracy(row, "dense")


def of_shared_draws(
    first: pandas.DataFrame, second: pandas.DataFrame
) -> tuple[pandas.DataFrame, pandas.DataFrame] | None:
    """Two cells' rows, with columns criterion and draw, of the draws that both have.

    Some kinds may have been made of some draws only: a difference between other draws of one criterion would be one of
    the draws and not of the kinds, so that there is none (None) where two kinds of one criterion share no draw. Cells
    of two criteria are left as they are.
    """
    if set(first["criterion"]).isdisjoint(second["criterion"]):
        return first, second
    shared = set(first["draw"]) & set(second["draw"])
    if not shared:
        return None
    return first[first["draw"].isin(shared)], second[second["draw"].isin(shared)]


def _strict_mean(values):
    """A mean that is no number where one is missing: without those that collapsed, the others would look better."""
    return values.mean(skipna=False)


def _by_seed(part):
    """The accuracy by training seed, draws averaged."""
    return part.groupby("seed")["accuracy"].agg(_strict_mean)


def _over_seeds(own, reference, keys):
    return intervals.of_differences(_by_seed(own) - _by_seed(reference))


def _over_images(bits, resamples, seed):
    def right(part):
        """(images,) of a criterion, (draws, images) of a control or of a learned one, in the order of its draws."""
        rows = bits[part.sort_values("draw").index].astype(np.float64)
        return rows if (part["draw"] != part["criterion"]).any() else rows[0]

    def compared(own, reference, keys):
        if pandas.concat([own, reference])["accuracy"].isna().any():
            return None
        generator = seeds.numpy_generator(seed, "bootstrap", "retraining", *keys)
        alike = vocabulary.draws_alike(own["criterion"].iloc[0], reference["criterion"].iloc[0])
        return intervals.of_differences(intervals.between(right(own), right(reference), alike), resamples, generator)

    return compared


def schedules(options: Mapping[str, Any]) -> dict[str, str]:
    """{kind in words: its schedule as one sentence}, from {"schedules": {kind: options}, "steps"}.

    A schedule of one learned criterion is named by the kind and the criterion.
    """
    sentences = {}
    for name, schedule in options["schedules"].items():
        kind, _, criterion = name.partition(" ")
        label = KINDS[kind].label
        words = f"{label[0].upper()}{label[1:]}"
        if criterion:
            words += f" ({criterion})"
        sentences[words] = in_words(kind, schedule, options["steps"])
    return sentences


def in_words(name: str, options: Mapping[str, Any], steps: int) -> str:
    """The schedule of a kind as one sentence, without its full stop."""
    kind = KINDS[name]
    if kind.trains == "statistics":
        return _reestimated(options)
    if kind.trains == "layers":
        return f"{_refitted(options)}; nothing is trained"
    if kind.trains == "epoch":
        return _one_epoch(options)
    if kind.trains == "answers":
        return _taught(options)
    if kind.learned:
        return _learned(options, kind.trains == "weights")
    return _begun(options) + _retrained(options, steps) if kind.in_steps else recipe(options)


def _begun(options):
    """The words for the start of a retraining, where that is not the network as pruned."""
    if "start" not in options:
        return ""
    start = options["start"]
    words = _taught(start) if start["kind"] == DISTILLED.name else _refitted(start)
    return f"begun with {words}; then "


def _one_epoch(options):
    """An epoch of training, and how many images it sees."""
    seen = "all training images" if options["images"] is None else f"up to {options['images']:,} training images"
    return f"{seen} seen once, with their labels: {recipe(options)}"


def _taught(options):
    """A reconstruction, and the training without labels behind it."""
    return (
        f"{_refitted(options['recovery'])}; then {options['steps']} steps of {options['optimizer']}"
        f"{_momentum(options)} towards the dense network's answers to the same images, without labels: learning rate "
        f"{options['learning_rate']:g} ({_over_steps(options)}), batches of {options['batch_size']}, weight decay "
        f"{options['weight_decay']:g}, images {_augmented(options)}, {options['precision']}; the last weights are kept"
    )


def _learned(options, continued):
    """A gate phase, and the training after it."""
    gates = options["gates"]
    optimizer, rate = gates["gate_optimizer"], gates["gate_learning_rate"]
    words = (
        f"gates and weights trained together, the gates (pruning-model `{gates['model']}`) by {optimizer} at learning "
        f"rate {rate:g}, fewer of them open over the first half; the weights: {recipe(gates['training'])}"
    )
    if continued:
        words += f"; then without gates: {recipe(options)}, in the order of images of `retrained`"
    return words


def _reestimated(options):
    return (
        f"running statistics re-estimated on up to {options['batchnorm_images']} training images as they are, in "
        f"batches of {options['batch_size']}; no weight is trained"
    )


FITS = {
    "channels": "dense input channels made up from those that are left",
    "patches": "weights fitted to the dense network's outputs",
}
STATISTICS = {
    "online": "running statistics of BatchNorm those of these images",
    "kept": "running statistics of BatchNorm kept",
}


def _refitted(options):
    return (
        f"layers refitted in closed form on up to {options['images']} unlabelled images of the split "
        f"`{options['split']}`: {FITS[options['fit']]}{_sums(options)}, ridge {options['ridge']:g}, "
        f"{STATISTICS[options['batchnorm']]}"
    )


def _sums(options):
    """A clause on layers that are fitted to a sum."""
    return ", of residual branches to its sums" if (options["fit"], options["target"]) == ("patches", "sums") else ""


def recipe(options: Mapping[str, Any]) -> str:
    """A training in words: epochs, optimiser, schedule, augmentation, and the epoch that is kept."""
    return (
        f"{_epochs(options['epochs'])} of {options['optimizer']}{_momentum(options)}, learning rate "
        f"{options['learning_rate']:g} ({_over_steps(options)}), batches of {options['batch_size']}, weight decay "
        f"{options['weight_decay']:g}, {_loss(options)}label smoothing {options['label_smoothing']:g}, images "
        f"{_augmented(options)}, {options['precision']}; the epoch is kept by "
        f"{options['select'].replace('_', ' ')}"
    )


def _epochs(count):
    return "1 epoch" if count == 1 else f"{count:g} epochs"


def _momentum(options):
    if options["optimizer"] != "sgd":
        return ""
    kind = "Nesterov " if options["nesterov"] and options["momentum"] else ""
    return f" with {kind}momentum {options['momentum']:g}"


def _over_steps(options):
    """The schedule of the learning rate."""
    words = options["schedule"].replace("_", " ")
    if options["schedule"] == "step":
        shares = wording.joined([f"{100 * share:g}" for share in options["milestones"]])
        words = f"divided by ten after {shares} % of the steps"
    if options["warm_up"]:
        words += f", a tenth of it for the first {_epochs(options['warm_up'])}"
    return words


def _loss(options):
    """The words on a loss and a limit that differ from the defaults."""
    words = ""
    if options["clip"] is not None:
        words += f"gradients clipped to a norm of {options['clip']:g}, "
    if options["loss"] != "cross_entropy":
        words += f"{options['loss'].replace('_', ' ')} as the loss, "
    return words


def _augmented(options):
    changes = []
    if options["rotation"]:
        changes.append(f"rotated by up to {options['rotation']:g} degrees")
    if options["flip"]:
        changes.append("flipped at random")
    if options["crop"]:
        changes.append(f"cropped at random after padding by {options['crop']} pixel(s)")
    return wording.joined(changes or ["as they are"])


def _retrained(options, steps):
    pruned = "pruned at once, then "
    if steps > 1:
        pruned = f"pruned in {steps} equal steps by one ranking, after each "
    return f"{pruned}{recipe(options)}; one schedule and one order of images for every criterion and level"
