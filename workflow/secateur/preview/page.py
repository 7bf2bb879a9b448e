"""The page of `secateur check`: units, images, criteria, and estimates of time and disk space.

Nothing is trained or downloaded, and no result is written. The network is built and traced, one small batch is timed,
and the rest is counted; an error that would stop the study later is raised here, in one line.
"""

import collections
import dataclasses
import itertools
import operator
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from secateur import Refused, cost
from secateur.analysis import retraining
from secateur.cost import Cost
from secateur.images import splits
from secateur.jobs import devices
from secateur.models.description import NetworkDescription
from secateur.preview import estimates, inspection, layout, timing
from secateur.pruning import equal_widths, layer_sensitivity, plans
from secateur.selection import prerequisites
from secateur.study import (
    biases,
    criteria_names,
    kinds,
    level_checks,
    recovery_checks,
    retraining_checks,
    stage_options,
    widths,
)
from secateur.study.levels import Terms
from secateur.study.study import Study
from secateur.study.vocabulary import SPLITS
from secateur.units import finding


@dataclasses.dataclass(frozen=True)
class Inspected:
    """Facts of the network; `channels` counts those that can be removed, `groups` the units of groups of layers where
    sensitivity is measured; the three before it are lines of the page."""

    described: NetworkDescription
    whole: Cost
    units: finding.Units
    channels: int
    timed: timing.Timed
    own_files: list[str]
    without_relevance: list[str]
    widths: list[str]
    groups: list[int]


def text(config: Mapping[str, Any]) -> str:
    """The page of a study, whose settings have every default filled in.

    Raises Refused or OSError with one line that names the setting or file and the remedy.
    """
    study = Study(config)
    study.check_names()
    planned = study.families
    folder = inspection.refuse_unwritable(config["results"])
    source, place = inspection.images_of(config["data"])
    divided = splits.divided(source, config["split"])
    inspection.refuse_unseen(config, source, divided)
    sizes = {name: len(rows.index) for name, rows in divided.items()}
    with devices.threads(config["threads"]):
        network = _inspected(config, len(source.classes), sizes)
    basis = estimates.Basis(config, planned, sizes, network.timed, network.whole, network.channels, network.groups)
    sections = (
        _study(config, network.described, network.whole),
        _units(network.units),
        _protected(network.units),
        _images(sizes, place, len(source.classes)),
        layout.section("Own files", network.own_files),
        layout.section("Without relevance", network.without_relevance),
        layout.section("Widths", network.widths),
        _warnings(config),
        _evaluated(config, planned),
        _arithmetic(config, sizes["test"], network.timed.slower),
        _stages(config, estimates.estimated(basis), folder),
    )
    return "\n\n".join(map("\n".join, filter(None, sections))) + "\n"


def _inspected(config, classes, sizes):
    """Build, trace and time the network, and check its levels, scores and own files."""
    model, described = inspection.network(config, classes)
    example = torch.randn(timing.TIMED, *described.shape, generator=torch.Generator().manual_seed(0))
    units = finding.find(model, example, config["criteria"]["residual"], config["criteria"]["linear"])
    terms = level_checks.terms(config["evaluation"])
    plans.refuse_level(units, config["levels"][-1], terms)
    met = equal_widths.refuse_unmet(units, widths.given(config["criteria"]), config["levels"], terms)
    prerequisites.refuse_unlearnable(units, stage_options.learned_facts(Study(config)))
    prerequisites.refuse_other_levels(retraining_checks.learned_levels(config), met)
    table = finding.table(units)
    sizes_of_groups = _sizes_of_groups(config, units, sizes)
    own_files = inspection.own_files(config, table)
    inspection.refuse_unrecoverable(config, model)
    inspection.refuse_unsparse(config, model, sizes["train"])
    inspection.refuse_unscorable(config, model, example, table)
    timed = timing.measured(config, model, example, sizes["test"], finding.linear_layers(model, table))
    without_relevance = _without_relevance(config, units, timed)
    whole = cost.of_positions(model, units.coupled.positions)
    return Inspected(
        described, whole, units, len(table), timed, own_files, without_relevance, _widths(met), sizes_of_groups
    )


def _sizes_of_groups(config, units, sizes):
    """The count of units of each group of layers; Refused where levels cannot be shared out between groups."""
    if not config["criteria"]["allocated"]:
        return []
    _refuse_all_calibrating(config, sizes)
    terms = Terms(**level_checks.terms(config["evaluation"])[0])
    return layer_sensitivity.refuse_unmet(units, config["levels"][-1], terms)


def _refuse_all_calibrating(config, sizes):
    """Refuse a measurement of sensitivity to which the images that calibrate leave none of the split."""
    section, calibrates = config["sensitivity"], config["recovery"]
    if section["recovery"] in kinds.STARTS and section["split"] == calibrates["split"]:
        size = sizes[section["split"]]
        if size - calibrates["images"] < 2:
            raise Refused(
                f"recovery.images is {calibrates['images']}, but the split {section['split']} has {size} images, so "
                "that none is left to measure sensitivity (criteria.allocated); set recovery.images lower, or "
                "sensitivity.split to the other split"
            )


def _widths(met):
    """Lines for the widths that are met at one level: the layers of each width that lose units."""
    lines = []
    for setting, one in met.items():
        counts = collections.Counter(one.layers.values())
        layers = [f"{number} of {count} units keep {kept}" for (count, kept), number in counts.items()]
        lines += layout.wrapped(
            f"{setting} is met at level {one.level}, without {one.removed:,} of {one.units:,} units; layers: "
            f"{', '.join(layers)}"
        )
    return lines


def _without_relevance(config, units, timed):
    """Lines for readings by which some layers have no relevance; Refused if a level needs their units."""
    lines, terms = [], level_checks.terms(config["evaluation"])
    for name, reading in timed.readings.items():
        kept = plans.refuse_unexplained(units, config["levels"][-1], terms, name, reading.without)
        if not kept:
            continue
        layers = dict.fromkeys(layer for place in kept for layer, _ in units.units[place].channels)
        lines += layout.wrapped(
            f"readings.{name}: {len(kept):,} of {len(units.units):,} units have no relevance and are never removed by "
            f"its rankings, because their layers only gate others: {', '.join(layers)}"
        )
    return lines


# ---- sections ------------------------------------------------------------------------------------------------


def _study(config, described, whole):
    model = config["model"]
    weights = model["weights"] or "random weights"
    if weights == "imagenet":
        weights = "torchvision's ImageNet weights, fetched later"
    shape = "x".join(map(str, described.shape))
    return [
        f"Study {config['study']}: its settings are valid, and its network can be traced",
        *layout.wrapped(
            f"{model['factory'] or model['name']} from {weights}; images {shape}, {len(described.classes)} classes; "
            f"{whole.parameters:,} parameters, {whole.macs:,} multiply-adds"
        ),
    ]


def _units(units):
    """A row for each layer, or for the layers whose channels are coupled, with the savings of each of its units."""
    rows, couplings = [("layer", "units", "parameters", "multiply-adds")], []
    for layers, members in _by_layers(units).items():
        name = layers[0]
        if len(layers) > 1:
            place = len(couplings) + 1
            couplings.append(
                f"[{place}] coupled: {len(members)} units, each a channel of all layers {', '.join(layers)}"
            )
            name += f" + {len(layers) - 1} coupled [{place}]"
        rows.append((name, str(len(members)), _range(members, "parameters"), _range(members, "macs")))
    return [
        f"Units: {len(units.units):,} can be removed; the savings are of one unit alone",
        *layout.aligned(rows, str.rjust),
        *itertools.chain(*map(layout.wrapped, couplings)),
    ]


def _by_layers(units):
    """{layers: their units}."""
    groups = collections.defaultdict(list)
    for unit in units.units:
        layers = dict.fromkeys(layer for layer, _ in unit.channels)
        groups[tuple(layers)].append(unit)
    return groups


def _range(units, attribute):
    numbers = list(map(operator.attrgetter(attribute), units))
    lowest, highest = min(numbers), max(numbers)
    if lowest == highest:
        return f"{lowest:,}"
    return f"{lowest:,} to {highest:,}"


def _protected(units):
    lines = []
    for reason, layers in finding.by_reason(units.protected).items():
        lines += layout.wrapped(f"{', '.join(layers)}: {reason}")
    return layout.section("Protected", lines)


def _images(sizes, place, classes):
    counts = ", ".join(f"{name} {sizes[name]:,}" for name in SPLITS)
    return [f"Images of {classes} classes ({place})", f"  {counts}"]


def _warnings(config):
    """Warnings of readings whose relevance is known to explode."""
    lines = []
    for name, reading in config["readings"].items():
        lines += layout.wrapped(biases.warning(name, reading) or "")
    return layout.section("Warnings", lines)


def _evaluated(config, planned):
    readings = [f"{name} on {reading['split']}" for name, reading in config["readings"].items()]
    families = [f"{family} ({len(criteria)})" for family, criteria in planned.items()]
    seeds, floors = len(config["training"]["seeds"]), config["evaluation"]["keep_at_least"]
    networks = seeds * estimates.pruned_networks(config, planned)
    criteria = sum(map(len, planned.values()))
    jobs = seeds * len(criteria_names.evaluated(config, planned))
    return [
        f"Evaluation: {criteria} criteria x {len(config['levels']) - 1} levels x {len(floors)} floor(s) x {seeds} "
        f"seed(s) = {networks:,} pruned networks, in {jobs} jobs",
        *_recovered(config),
        *layout.wrapped(f"readings: {', '.join(readings) or 'none, so no relevance is computed'}"),
        *layout.wrapped(f"criteria: {', '.join(families)}"),
        *layout.wrapped(f"levels: {', '.join(map(str, config['levels']))}; floors: {', '.join(map(str, floors))}"),
    ]


def _recovered(config):
    """A line on the recoveries after which every network is evaluated too; nothing without any."""
    schedules = recovery_checks.options(config)
    if not schedules:
        return []
    sentences = retraining.schedules({"schedules": schedules, "steps": None})
    treated = "; ".join(f"{label}: {text}" for label, text in sentences.items())
    return layout.wrapped(f"each, and the dense network, is evaluated as it is and after recovery. {treated}")


def _arithmetic(config, tested, slower):
    """Precisions of the study on this processor."""
    device = devices.chosen(config["device"])
    support = "has" if devices.fast_in_bfloat16(device) else "has no"
    precision = devices.precision(config["evaluation"]["precision"], device, tested)
    reason = "as set"
    if precision["asked"] == "auto":
        reason = f"auto: bfloat16 where it is fast, for {devices.FEW:,} images or more"
    lines = [
        f"Arithmetic: this {device.type} {support} fast instructions for bfloat16",
        f"  evaluation in {precision['ran']} ({reason})",
    ]
    for part, ratio in slower.items():
        lines += layout.wrapped(
            f"{part}: bfloat16 takes {ratio:.2g} times as long here as float32, on {timing.TIMED} images; set float32"
        )
    return lines


def _stages(config: Mapping[str, Any], stages: Sequence[estimates.Stage], folder: Path) -> list[str]:
    """The table of estimates, what they are based on, and a warning if the disk of the results is too small."""
    rows, jobs, seconds, size = [("stage", "jobs", "time", "disk", "extent")], 0, 0.0, 0.0
    for stage in stages:
        jobs += stage.jobs
        seconds += stage.seconds or 0
        size += stage.size
        rows.append(_row(stage.name, stage.jobs, stage.seconds, stage.size, stage.extent))
    rows.append(_row("all", jobs, seconds, size, ""))
    lines = layout.aligned(rows) + layout.wrapped(_note(config))
    free = shutil.disk_usage(folder).free
    if free < size:
        lines.append(f"  The disk of {folder} has only {layout.size(free)} left; free some first")
    return ["Time and disk: an estimate, not a promise", *lines]


def _row(name, jobs, seconds, size, extent):
    return name, str(jobs), layout.duration(seconds), layout.size(size), extent


def _note(config):
    device = devices.chosen(config["device"]).type
    return (
        f"Times are for one job after the other, from one forward, evaluation and relevance batch of {timing.TIMED} "
        f"images on {device}, {config['threads']} torch thread(s), {platform.machine()}, torch {torch.__version__}; "
        f"training counts as {estimates.TRAINED} forward passes, a network pruned at level p as (1 - p)^2 of the dense "
        "one. '-' means not estimated; the start of a job takes a few seconds more, and figures, tables and the report "
        "are not included."
    )
