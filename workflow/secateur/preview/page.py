"""The page of `secateur check`: what can be removed, from which images, by which criteria, and what it costs.

Nothing is trained, downloaded or read into a result. The network is built and traced, one small batch is timed, and
the rest is counted; whatever would stop the study later on stops it here, in one line.
"""

import collections
import itertools
import math
import platform
import shutil
import textwrap
from collections.abc import Mapping
from typing import Any

import torch

from secateur import cost
from secateur.images import splits
from secateur.jobs import devices
from secateur.preview import estimates, inspection, timing
from secateur.pruning import plans
from secateur.study import biases, consistency, criteria_names, level_checks, verdict_checks
from secateur.study.vocabulary import SPLITS
from secateur.units import finding

WIDTH = 120


def text(config: Mapping[str, Any]) -> str:
    """The whole page on a study with every default filled in.

    Raises Refused or OSError with one line that names the thing and the remedy.
    """
    planned = criteria_names.of(config)
    consistency.check_named(config, [criterion for family in planned.values() for criterion in family])
    verdict_checks.check_beside(config["verdict"], config["study"], config["results"])
    folder = inspection.refuse_unwritable(config["results"])
    source, where = inspection.images_of(config["data"])
    divided = splits.divided(source, config["split"])
    inspection.refuse_unseen(config, source, divided)
    sizes = {name: len(rows.index) for name, rows in divided.items()}
    with devices.threads(config["threads"]):
        model, described = inspection.network(config, len(source.classes))
        example = torch.randn(timing.TIMED, *described.shape, generator=torch.Generator().manual_seed(0))
        found = finding.find(model, example, config["criteria"]["residual"], config["criteria"]["linear"])
        plans.refuse_level(found, config["levels"][-1], level_checks.terms(config["evaluation"]))
        table = finding.table(found)
        own = inspection.own_files(config, table)
        inspection.refuse_unscorable(config, model, example, table)
        timed = timing.measured(config, model, example, sizes["test"], finding.linear_layers(model, table))
        unscored = without_relevance(config, found, timed)
    whole = cost.of_positions(model, found.coupled.positions)
    stages = estimates.estimated(config, planned, sizes, timed, whole, len(table))
    parts = (
        _study(config, described, whole),
        _units(found),
        _protected(found),
        _images(sizes, where, len(source.classes)),
        own,
        unscored,
        _warnings(config),
        _evaluated(config, planned),
        _arithmetic(config, sizes["test"], timed.slower),
        _stages(config, stages, folder),
    )
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def without_relevance(config: Mapping[str, Any], found: finding.Units, timed: timing.Timed) -> list[str]:
    """A line for each reading by which some layers have no relevance; Refused if a level needs their units."""
    lines = []
    terms = level_checks.terms(config["evaluation"])
    for name, channels in timed.without.items():
        stay = plans.refuse_unexplained(found, config["levels"][-1], terms, name, channels)
        if not stay:
            continue
        alone = dict.fromkeys(layer for place in stay for layer, _ in found.units[place].channels)
        lines += _wrapped(
            f"readings.{name}: {len(stay):,} of {len(found.units):,} units have no relevance and stay in all rankings "
            f"by it, because their layers only gate others: {', '.join(alone)}"
        )
    return ["Without relevance", *lines] if lines else []


# ---- what is said --------------------------------------------------------------------------------------------


def _study(config, described, whole):
    model = config["model"]
    weights = model["weights"] or "random weights"
    weights = "torchvision's ImageNet weights, fetched later" if weights == "imagenet" else weights
    shape = "x".join(map(str, described.shape))
    return [
        f"Study {config['study']}: its settings are valid, and its network can be traced",
        *_wrapped(
            f"{model['factory'] or model['name']} from {weights}; images {shape}, {len(described.classes)} classes; "
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
    reasons = finding.by_reason(found.protected)
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
    total = sum(estimates.pruned_networks(config, planned).values())
    criteria = sum(map(len, planned.values()))
    return [
        f"Evaluation: {criteria} criteria x {len(config['levels']) - 1} levels x {len(floors)} floor(s) x {seeds} "
        f"seed(s) = {seeds * total:,} pruned networks, in {seeds * len(planned)} jobs",
        *_wrapped(f"readings: {', '.join(readings) or 'none, so no relevance is read'}"),
        *_wrapped(f"criteria: {', '.join(shown)}"),
        *_wrapped(f"levels: {', '.join(map(str, config['levels']))}; floors: {', '.join(map(str, floors))}"),
    ]


def _arithmetic(config, images, slower):
    """How this processor runs the precisions that the study asks for."""
    device = devices.chosen(config["device"])
    fast = "has" if devices.fast_in_bfloat16(device) else "has no"
    precision = devices.precision(config["evaluation"]["precision"], device, images)
    why = "as set"
    if precision["asked"] == "auto":
        why = f"auto: bfloat16 where it is fast, for {devices.FEW:,} images or more"
    warnings = [
        _wrapped(
            f"{part}: bfloat16 takes {ratio:.2g} times as long here as float32, on {timing.TIMED} images; set float32"
        )
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
        f"Times are one job after the other, from one forward, evaluation and relevance batch of {timing.TIMED} images "
        f"on {devices.chosen(config['device']).type}, {config['threads']} torch thread(s), {platform.machine()}, torch "
        f"{torch.__version__}; training counts as {estimates.TRAINED} forward passes, a network without a share p of "
        "its channels as (1 - p)^2 of the whole one. '-' is not estimated; a job also takes seconds to start. Figures, "
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
