"""Look at a study before any long job: what can be removed, from which images, by which criteria, and what it costs.

Nothing is trained, downloaded or read into a result. The network is built and traced, one small batch is timed, and
the rest is counted; whatever would stop the study later on stops it here, in one line.
"""

import collections
import dataclasses
import itertools
import math
import os
import platform
import shutil
import textwrap
import time
from pathlib import Path

import numpy as np
import torch

from secateur import (
    agreement,
    biases,
    classes,
    cost,
    criteria,
    devices,
    downloads,
    evaluation,
    families,
    files,
    folding,
    given,
    images,
    models,
    modes,
    pruning,
    quick,
    relevance,
    sources,
    units,
)
from secateur.names import IMAGE_SCORES, SPLITS

# One batch of so many images is timed.
TIMED = 8
# CIFAR is the same everywhere: (classes, training images, test images), as many of each class.
KNOWN = {"cifar10": (10, 50000, 10000), "cifar100": (100, 50000, 10000)}
# Forward and backward, in forward passes.
TRAINED = 3
WIDTH = 120


@dataclasses.dataclass(frozen=True)
class Stage:
    """What a stage of the workflow does: jobs, and estimates of seconds and bytes, None where there is no basis."""

    name: str
    what: str
    jobs: int
    seconds: float | None
    size: float


@dataclasses.dataclass(frozen=True)
class Timed:
    """Seconds for one image of a forward pass, of one as networks are evaluated, and of each extracted reading, and the
    shapes of relevance by layer.

    `slower` is {part of the study: how many times float32's time} where bfloat16 is asked for and is not fast.
    """

    forward: float
    evaluated: float
    readings: dict
    shapes: dict
    without: dict
    slower: dict


def text(config):
    """The whole page on a study with every default filled in.

    Raises ValueError or OSError with one line that names the thing and the remedy.
    """
    planned = families.of(config)
    agreement.check_named(config, [criterion for family in planned.values() for criterion in family])
    agreement.check_beside(config["verdict"], config["study"], config["results"])
    folder = refuse_unwritable(config["results"])
    source, where = images_of(config["data"])
    divided = images.divided(source, config["split"])
    refuse_unseen(config, source, divided)
    sizes = {name: len(rows.index) for name, rows in divided.items()}
    with devices.threads(config["threads"]):
        model, about = network(config, len(source.classes))
        example = torch.randn(TIMED, *about["shape"], generator=torch.Generator().manual_seed(0))
        found = units.find(model, example, config["criteria"]["residual"], config["criteria"]["linear"])
        pruning.refuse_level(found, config["levels"][-1], agreement.terms(config["evaluation"]))
        table = units.table(found)
        own = own_files(config, table)
        refuse_unscorable(config, model, example, table)
        timed = measured(config, model, example, sizes, units.linear_layers(model, table))
        unscored = without_relevance(config, found, timed)
    whole = cost.of_positions(model, found.flow.positions)
    stages = estimated(config, planned, sizes, timed, whole, len(table))
    parts = (
        _study(config, about, whole),
        _units(found),
        _protected(found),
        _images(sizes, where, len(source.classes)),
        own,
        unscored,
        _warnings(config),
        _evaluated(config, planned),
        _arithmetic(config, timed.slower),
        _stages(config, stages, folder),
    )
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


# ---- what is looked at ---------------------------------------------------------------------------------------


def images_of(data):
    """(a Source with the labels of all images, where they are); of CIFAR the numbers are known before it is there."""
    if data["source"] not in KNOWN:
        where = data["folder"] or "inside scikit-learn"
        return sources.opened(data), f"at hand: {where}"
    number, *counts = KNOWN[data["source"]]
    parts = [sources.Part(np.arange(count) % number, None) for count in counts]
    place = _at_hand(data)
    where = f"at hand: {place}" if place else "fetched later, by rule fetch_images"
    return sources.Source(classes.KNOWN[data["source"]], *parts), where


def refuse_unseen(config, source, divided):
    """ValueError for a reading of classes of which its split has no image."""
    for name, reading in config["readings"].items():
        rows = divided[reading["split"]]
        labels = getattr(source, rows.part).labels[rows.index]
        shown = images.Images(None, labels, source.classes, (), (), config["data"]["name"], reading["split"], "")
        try:
            images.chosen(shown, reading["classes"])
        except ValueError as error:
            raise ValueError(f"readings.{name}.classes: {error}; name other classes, or another split") from error


def _at_hand(data):
    """Where a form of the images lies on this machine, or None; they are verified when they are fetched."""
    name = data["source"]
    folders = [Path("data") / name]
    for place in (os.environ.get("SECATEUR_DATA"), data["mirror"]):
        folders += [Path(place), Path(place) / name] if place and "://" not in place else []
    forms = [form["name"] for form in downloads.catalogue()[name]["forms"].values()]
    return next((folder / form for folder in folders for form in forms if (folder / form).exists()), None)


def refuse_unwritable(results):
    """The folder in which the results come to lie, as far as it exists; ValueError if nothing can be written there."""
    whole = Path(results).absolute()
    folder = next(path for path in (whole, *whole.parents) if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"results is {results}, but {folder} is no folder that can be written to; name another")
    return folder


def network(config, classes):
    """(the network that the study starts from, what describes it); one batch of images has gone through it."""
    model, data = config["model"], config["data"]
    channels = images.channels(data)
    shape = [channels, data["size"], data["size"]]
    about = {**models.architecture(model, channels), "shape": shape, "classes": [*range(classes)]}
    # torchvision's own weights are a download, which is no part of a check.
    weights = None if model["weights"] in (None, "imagenet") else files.found(model["weights"])
    torch.manual_seed(config["seed"])
    made = models.initialised(about, classes, weights)
    models.refuse_misfit(made, about)
    models.trainable(made, model["trainable"])
    return made.eval(), about


def refuse_unscorable(config, model, example, table):
    """ValueError for a score that a layer of the network cannot have; each is taken of one batch, as its job will."""
    layers, labels = list(dict.fromkeys(table["layer"])), torch.zeros(len(example), dtype=torch.long)
    for kind in dict.fromkeys(score["score"] for score in config["criteria"]["scores"]):
        try:
            if kind in IMAGE_SCORES:
                criteria.of_images(model, kind, [(example, labels)], layers)
            # Norms and distances of filters are there for any layer, and distances take their time.
            elif kind == "bn_scale":
                criteria.of_weights(model, kind, layers)
        except ValueError as error:
            raise ValueError(f"criteria.scores: {error}") from error


def without_relevance(config, found, timed):
    """A line for each reading by which some layers have no relevance; ValueError if a level needs their units."""
    lines = []
    terms = agreement.terms(config["evaluation"])
    for name, channels in timed.without.items():
        stay = pruning.refuse_unexplained(found, config["levels"][-1], terms, name, channels)
        if not stay:
            continue
        alone = dict.fromkeys(layer for place in stay for layer, _ in found.units[place].channels)
        lines += _wrapped(
            f"readings.{name}: {len(stay):,} of {len(found.units):,} units have no relevance and stay in all rankings "
            f"by it, because their layers only gate others: {', '.join(alone)}"
        )
    return ["Without relevance", *lines] if lines else []


def own_files(config, table):
    """A line for each file of scores or order of the user's own; ValueError for one that does not fit the units."""
    lines = []
    for name, path in config["criteria"]["files"].items():
        for one in dict.fromkeys(path.replace("{seed}", str(seed)) for seed in config["training"]["seeds"]):
            place = files.found(one)
            given.refuse_foreign(given.read(place), table, place)
            kind = "an order" if given.is_order(place) else "scores"
            lines.append(f"  {name}: {kind} of all {len(table)} channels, {place}")
    return ["Own files", *lines] if lines else []


def _extracted(readings):
    """Those of the readings whose relevance is read; others share their files."""
    return {name: readings[name] for name in dict.fromkeys(families.relevance_of(readings).values())}


def measured(config, model, example, sizes, linear=()):
    """The Timed of one batch, after one that only warms up; `linear` layers have relevance of their own."""
    device = devices.chosen(config["device"])
    model, example = model.to(device), example.to(device)
    with torch.no_grad(), modes.evaluating(model):
        forward = _seconds(lambda: model(example))
        precision = devices.precision(config["evaluation"]["precision"], device)["ran"]
        evaluated = _seconds(_as_evaluated(model, example, precision))
    readings, shapes, without = {}, {}, {}
    for name, reading in _extracted(config["readings"]).items():
        try:
            propagator = relevance.of_reading(model, reading, linear)
            shapes[name] = [tuple(R.shape[1:]) for R in propagator(example)[0].values()]
            without[name] = propagator.layers_without(example.shape[1:])
        except ValueError as error:
            raise ValueError(f"readings.{name}: {error}") from error
        readings[name] = _seconds(lambda run=propagator, kind=reading["target"]: _explain(run, example, kind)) / TIMED
    timed = Timed(forward / TIMED, evaluated / TIMED, readings, shapes, without, {})
    if not devices.fast_in_bfloat16(device):
        timed = dataclasses.replace(timed, slower=_slower(config, model, example, linear, timed))
    model.cpu()
    return timed


def _as_evaluated(model, example, precision):
    """A forward pass to be timed, of the network as evaluation prepares it; it keeps no gradients."""
    ready = folding.folded(model, strict=False)
    ready = evaluation.prepared(ready, precision, quick.facts(ready, example))
    batch = example.to(evaluation.PRECISIONS[precision], memory_format=torch.channels_last)
    return torch.no_grad()(lambda: ready(batch))


def _slower(config, model, example, linear, timed):
    """What asks for bfloat16, where that is not fast: {part of the study: its time, in times of float32's}."""
    found = {}
    if config["evaluation"]["precision"] == "bfloat16":
        found["evaluation"] = TIMED * timed.evaluated / _seconds(_as_evaluated(model, example, "float32"))
    asking = [name for name, reading in config["readings"].items() if reading["precision"] == "bfloat16"]
    if asking:
        # The first of those that share relevance is the one that was timed.
        propagator = relevance.of_reading(model, config["readings"][asking[0]] | {"precision": "float32"}, linear)
        exact = _seconds(lambda: propagator(example))
        found[f"readings {', '.join(asking)}"] = TIMED * timed.readings[asking[0]] / exact
    for name in ("training", "retraining"):
        settings = config[name]
        if settings and settings["epochs"] and settings["precision"] == "bfloat16":
            found[name] = _seconds(lambda: _under_autocast(model, example)) / (TIMED * timed.forward)
    return found


@torch.no_grad()
def _under_autocast(model, example):
    with torch.autocast(example.device.type, torch.bfloat16), modes.evaluating(model):
        return model(example)


def _explain(propagator, example, target):
    """Relevance of a batch: one answer for each image, or one for each class after the other."""
    for _ in propagator(example, "each") if target == "all" else [propagator(example)]:
        pass


def _seconds(run):
    run()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


# ---- what it costs -------------------------------------------------------------------------------------------


def estimated(config, planned, sizes, timed, whole, channels):
    """The Stages of a study: measured seconds times numbers of images, and bytes from shapes."""
    seeds, weights = len(config["training"]["seeds"]), 4 * whole.parameters
    criteria = sum(map(len, planned.values()))
    pixels = sum(sizes.values()) * images.channels(config["data"]) * config["data"]["size"] ** 2
    epochs = config["training"]["epochs"]
    trained = epochs * timed.forward * (TRAINED * sizes["train"] + sizes["validation"])
    stages = [
        Stage("images", f"{sum(sizes.values()):,} images", 1, None, pixels),
        Stage("training", f"{epochs} epochs", seeds, seeds * trained, seeds * 2 * weights),
        _relevance(config, sizes, timed, seeds),
        _scores(config, sizes, timed, seeds),
        Stage("ranking", f"{criteria} criteria", seeds * criteria, None, seeds * criteria * channels * 30),
        _evaluation("evaluation", config, planned, sizes["test"], timed, seeds),
    ]
    again = {family: planned[family] for family in families.choosing(config, planned)}
    if again:
        shown = sizes[config["evaluation"]["choose_on"]]
        stages.append(_evaluation("choosing", config, again, shown, timed, seeds))
    if config["retraining"]:
        stages.append(_retraining(config["retraining"], config, sizes, timed, seeds, weights))
    if config["export"]:
        left = sum(_left([entry["level"]]) for entry in config["export"])
        # The state, the program and ONNX each hold all weights.
        stages.append(
            Stage("export", "networks as files", seeds * len(config["export"]), None, seeds * 3 * weights * left)
        )
    return [stage for stage in stages if stage.jobs]


def _left(removed):
    """What networks without these shares of their channels cost, in dense ones: inputs and outputs both shrink."""
    return sum((1 - float(level)) ** 2 for level in removed)


def _relevance(config, sizes, timed, seeds):
    seconds, size, read, jobs = 0, 0, 0, 0
    for name, reading in _extracted(config["readings"]).items():
        count = min(reading["images"] or math.inf, sizes[reading["split"]])
        seconds, read, jobs = seconds + count * timed.readings[name], read + count, jobs + reading["shards"]
        # A number and its absolute for each image and channel in float32, two maps for each channel in float64.
        size += sum(8 * count * shape[0] + 16 * math.prod(shape) for shape in timed.shapes[name])
    return Stage("relevance", f"{read:,} images", seeds * jobs, seeds * seconds, seeds * size)


def _scores(config, sizes, timed, seeds):
    kinds = {score["score"] for score in config["criteria"]["scores"]}
    read = min(config["criteria"]["images"] or math.inf, sizes["rank"]) * len(kinds & {*IMAGE_SCORES})
    return Stage("scores", f"{read:,} images", seeds * len(kinds), seeds * read * TRAINED * timed.forward, 0)


def pruned_networks(config, planned):
    """How many pruned networks a family of criteria asks for: {family: networks}, the dense one not counted."""
    each = len(config["evaluation"]["keep_at_least"]) * (len(config["levels"]) - 1)
    return {family: each * len(criteria) for family, criteria in planned.items()}


def _evaluation(name, config, planned, count, timed, seeds):
    total = sum(pruned_networks(config, planned).values())
    dense = 1 + total * _left(config["levels"][1:]) / max(1, len(config["levels"]) - 1)
    return Stage(
        name,
        f"{total + 1:,} networks on {count:,} images",
        seeds * len(planned),
        seeds * dense * count * timed.evaluated,
        seeds * total * count / 8,
    )


def _retraining(retraining, config, sizes, timed, seeds, weights):
    criteria, left = len(retraining["criteria"]), _left(retraining["levels"])
    epochs = retraining["epochs"] * retraining["steps"]
    epochs += retraining["scratch_epochs"] if retraining["scratch"] else 0
    kinds = 1 + retraining["scratch"] + retraining["batchnorm"]
    shown = epochs * (TRAINED * sizes["train"] + sizes["validation"])
    shown += retraining["batchnorm"] * min(retraining["batchnorm_images"], sizes["train"]) + kinds * sizes["test"]
    jobs = seeds * criteria * len(retraining["levels"]) * kinds
    return Stage(
        "retraining",
        f"{criteria} criteria, {len(retraining['levels'])} levels, {kinds} kinds",
        jobs,
        seeds * criteria * left * shown * timed.forward,
        seeds * criteria * kinds * left * weights,
    )


# ---- what is said --------------------------------------------------------------------------------------------


def _study(config, about, whole):
    model = config["model"]
    weights = model["weights"] or "random weights"
    weights = "torchvision's ImageNet weights, fetched later" if weights == "imagenet" else weights
    shape = "x".join(map(str, about["shape"]))
    return [
        f"Study {config['study']}: its settings are valid, and its network can be traced",
        *_wrapped(
            f"{model['factory'] or model['name']} from {weights}; images {shape}, {len(about['classes'])} classes; "
            f"{whole.parameters:,} parameters, {whole.macs:,} multiply-adds"
        ),
    ]


def _units(found):
    """A line for each set of layers whose channels go together."""
    groups = collections.defaultdict(list)
    for unit in found.units:
        groups[tuple(dict.fromkeys(layer for layer, _ in unit.channels))].append(unit)
    rows, coupled = [("layer", "units", "parameters", "multiply-adds")], []
    for layers, members in groups.items():
        name = layers[0]
        if len(layers) > 1:
            coupled.append((len(coupled) + 1, len(members), layers))
            name += f" + {len(layers) - 1} coupled [{coupled[-1][0]}]"
        saves = [_saved([getattr(unit, key) for unit in members]) for key in ("parameters", "macs")]
        rows.append((name, str(len(members)), *saves))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  " + "  ".join([row[0].ljust(widths[0]), *(v.rjust(w) for v, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    for number, count, layers in coupled:
        lines += _wrapped(f"[{number}] coupled, {count} units go only in all of these at once: {', '.join(layers)}")
    return [f"Units: {len(found.units):,} can be removed; what each saves alone", *lines]


def _saved(numbers):
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _protected(found):
    reasons = units.by_reason(found.protected)
    lines = [_wrapped(f"{', '.join(layers)}: {reason}") for reason, layers in reasons.items()]
    return ["Protected", *itertools.chain(*lines)] if lines else []


def _wrapped(line):
    return textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)


def _images(sizes, where, classes):
    counts = ", ".join(f"{name} {sizes[name]:,}" for name in SPLITS)
    return [f"Images of {classes} classes ({where})", f"  {counts}"]


def _warnings(config):
    """What the study may do, and what is known to spoil it."""
    found = [biases.warning(name, reading) for name, reading in config["readings"].items()]
    lines = [_wrapped(warning) for warning in found if warning]
    return ["Warnings", *itertools.chain(*lines)] if lines else []


def _evaluated(config, planned):
    readings = [f"{name} on {reading['split']}" for name, reading in config["readings"].items()]
    shown = [f"{family} ({len(criteria)})" for family, criteria in planned.items()]
    seeds, floors = len(config["training"]["seeds"]), config["evaluation"]["keep_at_least"]
    total = sum(pruned_networks(config, planned).values())
    criteria = sum(map(len, planned.values()))
    return [
        f"Evaluation: {criteria} criteria x {len(config['levels']) - 1} levels x {len(floors)} floor(s) x {seeds} "
        f"seed(s) = {seeds * total:,} pruned networks, in {seeds * len(planned)} jobs",
        *_wrapped(f"readings: {', '.join(readings) or 'none, so no relevance is read'}"),
        *_wrapped(f"criteria: {', '.join(shown)}"),
        *_wrapped(f"levels: {', '.join(map(str, config['levels']))}; floors: {', '.join(map(str, floors))}"),
    ]


def _arithmetic(config, slower):
    """How this processor runs the precisions that the study asks for."""
    device = devices.chosen(config["device"])
    fast = "has" if devices.fast_in_bfloat16(device) else "has no"
    precision = devices.precision(config["evaluation"]["precision"], device)
    why = "auto: bfloat16 where it is fast, with the same answers" if precision["asked"] == "auto" else "as set"
    warnings = [
        _wrapped(f"{part}: bfloat16 takes {ratio:.2g} times as long here as float32, on {TIMED} images; set float32")
        for part, ratio in slower.items()
    ]
    return [
        f"Arithmetic: this {device.type} {fast} fast instructions for bfloat16",
        f"  evaluation in {precision['ran']} ({why})",
        *itertools.chain(*warnings),
    ]


def _stages(config, stages, folder):
    rows = [("stage", "jobs", "time", "disk", "what")]
    rows += [(s.name, str(s.jobs), _duration(s.seconds), _bytes(s.size), s.what) for s in stages]
    seconds, size = sum(s.seconds or 0 for s in stages), sum(s.size for s in stages)
    rows.append(("all", str(sum(s.jobs for s in stages)), _duration(seconds), _bytes(size), ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    note = (
        f"Times are one job after the other, from one forward, evaluation and relevance batch of {TIMED} images "
        f"on {devices.chosen(config['device']).type}, {config['threads']} torch thread(s), {platform.machine()}, torch "
        f"{torch.__version__}; training counts as {TRAINED} forward passes, a network without a share p of its "
        "channels as (1 - p)^2 of the whole one. '-' is not estimated; a job also takes seconds to start. Figures, "
        "tables and report come on top."
    )
    return ["Time and disk: an estimate, not a promise", *lines, *_wrapped(note), *_free(folder, size)]


def _free(folder, needed):
    """A line of warning where the disk of the results has less left than they would take."""
    free = shutil.disk_usage(folder).free
    return [f"  The disk of {folder} has only {_bytes(free)} left; free some first"] if free < needed else []


def _duration(seconds):
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else "< 1 s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _bytes(size):
    scale = min(4, int(math.log10(max(size, 1)) // 3))
    return f"{size / 1000**scale:.{0 if scale == 0 else 1}f} {('B', 'kB', 'MB', 'GB', 'TB')[scale]}"
