"""How long one image takes on this machine, in every stage that a study has."""

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

# One batch of so many images is timed.
TIMED = 8


@dataclasses.dataclass(frozen=True)
class Timed:
    """Seconds for one image of a forward pass, of one as networks are evaluated, and of each extracted reading, and the
    shapes of relevance by layer.

    `slower` is {part of the study: how many times float32's time} where bfloat16 is asked for and is not fast.
    """

    forward: float
    evaluated: float
    readings: dict[str, float]
    shapes: dict[str, list[tuple[int, ...]]]
    without: dict[str, dict[str, list[int]]]
    slower: dict[str, float]


def extracted(readings: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Those of the readings whose relevance is read; others share their files."""
    return {name: readings[name] for name in dict.fromkeys(criteria_names.relevance_of(readings).values())}


def measured(
    config: Mapping[str, Any],
    model: nn.Module,
    example: torch.Tensor,
    tested: int,
    linear: Sequence[str] = (),
) -> Timed:
    """The Timed of one batch, after one that only warms up; `linear` layers have relevance of their own.

    `tested` is the count of test images, which decides in which precision they are evaluated.
    """
    device = devices.chosen(config["device"])
    model, example = model.to(device), example.to(device)
    with torch.no_grad(), modes.evaluating(model):
        forward = _seconds(lambda: model(example))
        precision = devices.precision(config["evaluation"]["precision"], device, tested)["ran"]
        evaluated = _seconds(_as_evaluated(model, example, precision))
    readings, shapes, without = {}, {}, {}
    for name, reading in extracted(config["readings"]).items():
        try:
            propagator = propagation.of_reading(model, reading, linear)
            shapes[name] = [tuple(R.shape[1:]) for R in propagator(example)[0].values()]
            without[name] = propagator.layers_without(example.shape[1:])
        except Refused as error:
            raise Refused(f"readings.{name}: {error}") from error
        readings[name] = _seconds(lambda run=propagator, kind=reading["target"]: _explain(run, example, kind)) / TIMED
    timed = Timed(forward / TIMED, evaluated / TIMED, readings, shapes, without, {})
    if not devices.fast_in_bfloat16(device):
        timed = dataclasses.replace(timed, slower=_slower(config, model, example, linear, timed))
    model.cpu()
    return timed


def _as_evaluated(model, example, precision):
    """A forward pass to be timed, of the network as evaluation prepares it; it keeps no gradients."""
    ready = folding.folded(model, strict=False)
    ready = measuring.prepared(ready, precision, fast_layers.replaceable(ready, example))
    batch = example.to(measuring.PRECISIONS[precision], memory_format=torch.channels_last)
    return torch.no_grad()(lambda: ready(batch))


def _slower(config, model, example, linear, timed):
    """What asks for bfloat16, where that is not fast: {part of the study: its time, in times of float32's}."""
    found = {}
    if config["evaluation"]["precision"] == "bfloat16":
        found["evaluation"] = TIMED * timed.evaluated / _seconds(_as_evaluated(model, example, "float32"))
    asking = [name for name, reading in config["readings"].items() if reading["precision"] == "bfloat16"]
    if asking:
        # The first of those that share relevance is the one that was timed.
        propagator = propagation.of_reading(model, config["readings"][asking[0]] | {"precision": "float32"}, linear)
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
