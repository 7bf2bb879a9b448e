"""Measured seconds for one image on this machine, in every stage of a study."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from secateur import Refused
from secateur.evaluation import fast_layers, measuring
from secateur.graph import folding, modes
from secateur.jobs import devices
from secateur.relevance import propagation
from secateur.study import criteria_names

# Images in the one batch that is timed.
TIMED = 8


@dataclasses.dataclass(frozen=True)
class Reading:
    """Seconds of relevance for one image, its shapes (C, H, W) by layer, and {layer: channels} without relevance."""

    seconds: float
    shapes: list[tuple[int, ...]]
    without: dict[str, list[int]]


@dataclasses.dataclass(frozen=True)
class Timed:
    """Seconds for one image: of a forward pass, of one in evaluation, and of each extracted reading.

    `slower` is {part of the study: time as a multiple of float32's} for the parts in bfloat16 on a device that is not
    fast in it.
    """

    forward: float
    evaluated: float
    readings: dict[str, Reading]
    slower: dict[str, float]


def extracted(readings: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The readings whose relevance is extracted; others share their files."""
    return {name: readings[name] for name in dict.fromkeys(criteria_names.relevance_of(readings).values())}


def measured(
    config: Mapping[str, Any],
    model: nn.Module,
    example: torch.Tensor,
    tested: int,
    linear: Sequence[str] = (),
) -> Timed:
    """The Timed of one batch, after another that warms up; `linear` are the linear layers of which relevance is read.

    `tested` is the count of test images, on which the precision of their evaluation depends. Raises Refused for a
    reading that the network does not allow.
    """
    device = devices.chosen(config["device"])
    model, example = model.to(device), example.to(device)
    with torch.no_grad(), modes.evaluating(model):
        forward = _seconds(lambda: model(example))
        precision = devices.precision(config["evaluation"]["precision"], device, tested)["ran"]
        evaluated = _seconds(_as_evaluated(model, example, precision))
    readings = {}
    for name, reading in extracted(config["readings"]).items():
        try:
            readings[name] = _reading(model, reading, example, linear)
        except Refused as error:
            raise Refused(f"readings.{name}: {error}") from error
    timed = Timed(forward / TIMED, evaluated / TIMED, readings, {})
    if not devices.fast_in_bfloat16(device):
        timed = dataclasses.replace(timed, slower=_slower(config, model, example, linear, timed))
    model.cpu()
    return timed


def _reading(model, reading, example, linear):
    propagator = propagation.of_reading(model, reading, linear)
    layers = propagator(example)[0]
    shapes = [tuple(R.shape[1:]) for R in layers.values()]
    without = propagator.layers_without(example.shape[1:])
    seconds = _seconds(lambda: _explain(propagator, example, reading["target"]))
    return Reading(seconds / TIMED, shapes, without)


def _explain(propagator, example, target):
    """Compute relevance of a batch, if the target is `all` of each class in turn."""
    if target != "all":
        propagator(example)
        return
    for _ in propagator.each_class(example):
        pass


def _as_evaluated(model, example, precision):
    """A forward pass without gradients, of the network as evaluation prepares it, to be timed."""
    ready = folding.folded(model, strict=False)
    ready = measuring.prepared(ready, precision, fast_layers.replaceable(ready, example))
    batch = example.to(measuring.PRECISIONS[precision], memory_format=torch.channels_last)
    return torch.no_grad()(lambda: ready(batch))


def _slower(config, model, example, linear, timed):
    """{part of the study: time as a multiple of float32's} for all parts in bfloat16."""
    ratios = {}
    if config["evaluation"]["precision"] == "bfloat16":
        ratios["evaluation"] = TIMED * timed.evaluated / _seconds(_as_evaluated(model, example, "float32"))
    rounded = [name for name, reading in config["readings"].items() if reading["precision"] == "bfloat16"]
    if rounded:
        # Of readings that share relevance, the first one was timed.
        propagator = propagation.of_reading(model, config["readings"][rounded[0]] | {"precision": "float32"}, linear)
        exact = _seconds(lambda: propagator(example))
        ratios[f"readings {', '.join(rounded)}"] = TIMED * timed.readings[rounded[0]].seconds / exact
    for name in ("training", "retraining"):
        settings = config[name]
        if settings and settings["epochs"] and settings["precision"] == "bfloat16":
            ratios[name] = _seconds(lambda: _under_autocast(model, example)) / (TIMED * timed.forward)
    return ratios


@torch.no_grad()
def _under_autocast(model, example):
    with torch.autocast(example.device.type, torch.bfloat16), modes.evaluating(model):
        return model(example)


def _seconds(run):
    run()
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
