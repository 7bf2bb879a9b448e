"""Estimated time and disk space of a study, stage by stage."""

import dataclasses
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from secateur.cost import Cost
from secateur.images import writing
from secateur.preview import timing
from secateur.pruning import layer_sensitivity
from secateur.study import criteria_names, kinds, learned, recovery_checks, retraining_checks, sparse, tickets
from secateur.study.kinds import KINDS
from secateur.study.vocabulary import IMAGE_SCORES

# Forward and backward pass of one image, in forward passes.
TRAINED = 3
# A reconstruction by its fit, in forward passes of its images (measured: benchmarks/recovery.py).
REFITTED = {"channels": 3, "patches": 6}
# Pruned networks whose relevance at the input is compared with the dense one's: of the answer, of weights, of chance.
COMPARED = 3


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of the workflow: its extent in words, its jobs, and estimates of seconds and bytes.

    `seconds` is None where nothing is measured.
    """

    name: str
    extent: str
    jobs: int
    seconds: float | None
    size: float


@dataclasses.dataclass(frozen=True)
class Basis:
    """Settings and measurements behind the estimates.

    `planned` is {family: criteria}, `sizes` {split: images}, `whole` the cost of the dense network, `channels` the
    count of its channels that can be removed, and `groups` the counts of units of groups of layers, where sensitivity
    is measured.
    """

    config: Mapping[str, Any]
    planned: Mapping[str, list[str]]
    sizes: Mapping[str, int]
    timed: timing.Timed
    whole: Cost
    channels: int
    groups: Sequence[int] = ()

    @property
    def seeds(self) -> int:
        """The count of trainings, each with a network of its own."""
        return len(self.config["training"]["seeds"])

    @property
    def weights(self) -> int:
        """Bytes of the dense network's weights in float32."""
        return 4 * self.whole.parameters


def estimated(basis: Basis) -> list[Stage]:
    """The Stages of a study: measured seconds times counts of images, and bytes from shapes."""
    config, sizes = basis.config, basis.sizes
    stages = [
        _images(basis),
        _training(basis),
        _relevance(basis),
        _scores(basis),
        _selection(basis),
        _sensitivity(basis),
        _rescoring(basis),
        _ranking(basis),
        _evaluation("evaluation", basis, basis.planned, sizes["test"], recovery_checks.options(config)),
    ]
    chosen_from = criteria_names.choosing(config, basis.planned)
    if chosen_from:
        count = sizes[config["evaluation"]["choose_on"]]
        recoveries = recovery_checks.options(config) if config["verdict"] else {}
        stages.append(_evaluation("choosing", basis, chosen_from, count, recoveries))
    stages.append(_comparison(basis))
    if config["retraining"]:
        stages.append(_retraining(basis))
    if config["sparsity"]:
        stages.append(_sparsity(basis))
    if config["tickets"]:
        stages.append(_tickets(basis))
    if config["export"] or sparse.exported(config):
        stages.append(_export(basis))
    return [stage for stage in stages if stage.jobs]


def pruned_networks(config: Mapping[str, Any], planned: Mapping[str, Sequence[str]]) -> int:
    """The count of pruned networks of all criteria for one seed, without the dense one."""
    criteria = sum(map(len, planned.values()))
    return criteria * len(config["evaluation"]["keep_at_least"]) * (len(config["levels"]) - 1)


def _remaining(levels):
    """The cost of networks at these levels, in dense networks: both inputs and outputs of a layer shrink."""
    return sum((1 - float(level)) ** 2 for level in levels)


def _images(basis):
    total, data = sum(basis.sizes.values()), basis.config["data"]
    return Stage("images", f"{total:,} images", 1, None, total * writing.channels(data) * data["size"] ** 2)


def _training(basis):
    epochs, sizes = basis.config["training"]["epochs"], basis.sizes
    seconds = basis.timed.forward * _passes(epochs, sizes)
    return Stage("training", f"{epochs} epochs", basis.seeds, basis.seeds * seconds, basis.seeds * 2 * basis.weights)


def _relevance(basis):
    seconds, size, images, jobs = 0, 0, 0, 0
    for name, reading in timing.extracted(basis.config["readings"]).items():
        timed = basis.timed.readings[name]
        count = min(reading["images"] or math.inf, basis.sizes[reading["split"]])
        images += count
        jobs += reading["shards"]
        seconds += count * timed.seconds
        for shape in timed.shapes:
            # R and abs(R): sums for each image and channel in float32, two maps for each channel in float64.
            size += 8 * count * shape[0] + 16 * math.prod(shape)
    return Stage("relevance", f"{images:,} images", basis.seeds * jobs, basis.seeds * seconds, basis.seeds * size)


def _comparison(basis):
    """Relevance at the input of the dense network and of COMPARED pruned ones, at most as costly."""
    config = basis.config
    images = min(config["input_relevance"]["images"], basis.sizes["test"])
    name = next(iter(config["readings"]), None)
    if name is None or not images:
        return Stage("comparison", "no images", 0, 0, 0)
    seconds = basis.seeds * (1 + COMPARED) * images * basis.timed.readings[name].seconds
    return Stage("comparison", f"{images:,} images", basis.seeds, seconds, 0)


def _scores(basis):
    criteria = basis.config["criteria"]
    scores = [name.removesuffix(criteria_names.INITIAL) for name in criteria_names.channel_scores(criteria)]
    images = min(criteria["images"] or math.inf, basis.sizes["rank"]) * sum(name in IMAGE_SCORES for name in scores)
    seconds = basis.seeds * images * TRAINED * basis.timed.forward
    return Stage("scores", f"{images:,} images", basis.seeds * len(scores), seconds, 0)


def _selection(basis):
    """Every draw of every learned criterion: a training by its own number of epochs, and the weights that it leaves."""
    drawn = list(learned.by_draw(basis.config["criteria"]["learned"]).values())
    gated = [entry for entry in drawn if not learned.scores_units(entry)]
    scorers = [entry for entry in drawn if learned.scores_units(entry)]
    trained = gated + [entry for entry in scorers if learned.fitted(entry) and entry["fit"] != "none"]
    epochs = sum(map(operator.itemgetter("epochs"), trained))
    passes = _passes(epochs, basis.sizes)
    for entry in trained:
        # The dense network answers every image of a distillation.
        passes += entry["epochs"] * basis.sizes["train"] * (entry.get("loss") == "distillation")
    for entry in scorers:
        # Once to fit a scorer, and once to score by it.
        read = min(entry["calibration"]["images"], basis.sizes[entry["calibration"]["split"]])
        passes += TRAINED * read * entry["gradients"] * (1 + learned.fitted(entry))
    jobs = basis.seeds * (len(gated) + len(scorers) + sum(map(learned.fitted, scorers)))
    size = basis.seeds * len(gated) * basis.weights
    return Stage("selection", f"{epochs} epochs", jobs, basis.seeds * basis.timed.forward * passes, size)


def _sensitivity(basis):
    """Every network of every curve, each at the cost of the dense one, with the recovery before it is measured."""
    config, criteria = basis.config, basis.config["criteria"]["allocated"]
    section = config["sensitivity"]
    networks = layer_sensitivity.evaluations(basis.groups, section["steps"]) if criteria else 0
    images = min(section["images"], basis.sizes[section["split"]])
    seconds = images * basis.timed.evaluated + _recovering(basis, recovery_checks.of_sensitivity(config))
    extent = f"{networks:,} networks of {len(criteria)} criteria on {images:,} images"
    jobs = basis.seeds * len(criteria)
    return Stage("sensitivity", extent, jobs, jobs * networks * seconds, jobs * networks * (images / 8 + 4 * images))


def _rescoring(basis):
    """Every step of every criterion in steps: a score of the rank images, at most, and a recovery."""
    entries = basis.config["criteria"]["rescored"]
    scored = TRAINED * basis.sizes["rank"] * basis.timed.forward
    seconds = 0.0
    for entry in entries:
        between = _recovering(basis, recovery_checks.of_steps(basis.config, entry))
        seconds += entry["steps"] * scored + (entry["steps"] - 1) * between
    steps = sum(entry["steps"] for entry in entries)
    return Stage("rescoring", f"{steps} steps", basis.seeds * len(entries), basis.seeds * seconds, 0)


def _ranking(basis):
    criteria = sum(map(len, basis.planned.values()))
    # A row of a ranking has about 30 bytes.
    size = basis.seeds * criteria * basis.channels * 30
    return Stage("ranking", f"{criteria} criteria", basis.seeds * criteria, None, size)


def _evaluation(name, basis, planned, count, recoveries):
    levels = basis.config["levels"][1:]
    total = pruned_networks(basis.config, planned)
    dense = 1 + total * _remaining(levels) / max(1, len(levels))
    times = 1 + len(recoveries)
    seconds = times * count * basis.timed.evaluated + _recovering(basis, recoveries)
    extent = f"{total + 1:,} networks on {count:,} images"
    if recoveries:
        extent += f", after {times} recoveries"
    return Stage(
        name,
        extent,
        basis.seeds * len(criteria_names.evaluated(basis.config, planned)),
        basis.seeds * dense * seconds,
        basis.seeds * total * times * count / 8,
    )


def _recovering(basis, recoveries):
    """Seconds of all recoveries, {recovery: options}, of one dense network, before it is tested."""
    settings = basis.config["recovery"]
    passes = [_forward_passes(KINDS[name], options, basis.sizes, settings) for name, options in recoveries.items()]
    return sum(passes) * basis.timed.forward


def _retraining(basis):
    """Every retrained network, with what is made of it and its test, at the cost that its level leaves."""
    cells, retraining = retraining_checks.cells(basis.config), basis.config["retraining"]
    passes, networks = 0.0, 0.0
    for cell in cells:
        share = _remaining([cell.level])
        passes += share * (
            basis.sizes["test"] + _forward_passes(KINDS[cell.kind], retraining, basis.sizes, basis.config["recovery"])
        )
        networks += share
    levels = {cell.level for cell in cells}
    made = {cell.kind for cell in cells}
    return Stage(
        "retraining",
        f"{len(kinds.levels_of(cells))} criteria, {len(levels)} levels, {len(made)} kinds",
        basis.seeds * len(cells),
        basis.seeds * passes * basis.timed.forward,
        basis.seeds * networks * basis.weights,
    )


def _sparsity(basis):
    """Every sparse network: the whole schedule of training, at the cost of the dense network, and its test."""
    cells, sizes = sparse.cells(basis.config), basis.sizes
    epochs, jobs = basis.config["training"]["epochs"], basis.seeds * len(cells)
    passes = _passes(epochs, sizes) + sizes["test"]
    variants = len({cell.variant for cell in cells})
    levels = len({cell.level for cell in cells})
    extent = f"{variants} variants, {levels} levels, {epochs} epochs"
    return Stage("sparsity", extent, jobs, jobs * passes * basis.timed.forward, jobs * basis.weights)


def _tickets(basis):
    """Every ticket: the schedule of training behind the epoch it goes back to, as dense as before, and its test."""
    config, sizes = basis.config, basis.sizes
    cells, rewind = tickets.cells(config), tickets.of(config)["rewind"]
    epochs = config["training"]["epochs"] - rewind
    rounds, kinds_made = tickets.rounds(config), {cell.kind for cell in cells}
    extent = f"{len(kinds_made)} kinds, {len(rounds)} rounds, {epochs} epochs"
    passes = len(cells) * (_passes(epochs, sizes) + sizes["test"]) + _passes(rewind, sizes)
    jobs = len(cells) + len(rounds) + (rewind > 0)
    # A bit for each weight and round.
    size = len(cells) * basis.weights + len(rounds) * basis.whole.parameters / 8 + (rewind > 0) * basis.weights
    return Stage("tickets", extent, basis.seeds * jobs, basis.seeds * passes * basis.timed.forward, basis.seeds * size)


def _forward_passes(kind, retraining, sizes, recovery):
    """The cost of a kind of retraining for one network, before it is tested, in forward passes of one image."""
    if kind.trains == "gates":
        # The stage of selection has trained it.
        return 0
    if kind.trains == "statistics":
        return min(retraining["batchnorm_images"], sizes["train"])
    if kind.trains == "layers":
        return _refitted(recovery, sizes)
    if kind.trains == "epoch":
        return TRAINED * min(recovery["epoch"]["images"] or sizes["train"], sizes["train"])
    if kind.trains == "answers":
        return _refitted(recovery, sizes) + _taught(recovery, sizes)
    epochs, times = retraining["epochs"], 1
    if kind.whole:
        epochs = retraining["scratch_epochs"]
    if kind.in_steps:
        times = retraining["steps"]
    # A teacher answers every training image once more.
    taught = epochs * sizes["train"] * (kind.changes.get("loss") == "distillation")
    begun = 0
    if kind.in_steps and retraining["start"] in kinds.STARTS:
        begun = _refitted(recovery, sizes)
        begun += _taught(recovery, sizes) * (retraining["start"] == kinds.DISTILLED.name)
    return times * (_passes(epochs, sizes) + taught + begun)


def _refitted(recovery, sizes):
    return REFITTED[recovery["fit"]] * min(recovery["images"], sizes[recovery["split"]])


def _taught(recovery, sizes):
    """The cost of a distillation with its validation; a teacher answers every image once more."""
    steps = recovery["steps"]
    return steps * recovery["batch_size"] * (TRAINED + 1) + steps // recovery_checks.ROUND * sizes["validation"]


def _passes(epochs, sizes):
    """The cost of a training with its validation, in forward passes of one image."""
    return epochs * (TRAINED * sizes["train"] + sizes["validation"])


def _export(basis):
    pruned, zeroed = basis.config["export"], sparse.exported(basis.config)
    # Sparse networks keep their zeros.
    remaining = _remaining(map(operator.itemgetter("level"), pruned)) + len(zeroed)
    # The state, the program and ONNX each hold all weights.
    size = basis.seeds * 3 * basis.weights * remaining
    return Stage("export", "networks as files", basis.seeds * (len(pruned) + len(zeroed)), None, size)
