"""Facts of a card that are measured: performance, the change against the dense network, latency, sizes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from secateur import cost
from secateur.analysis import intervals
from secateur.artifacts import machines, provenance, tables
from secateur.evaluation import measuring
from secateur.export import card_facts, formats, latency
from secateur.images import store
from secateur.pruning import groups, stored
from secateur.units.coupling import Coupling

if TYPE_CHECKING:
    import pandas

# Images on which every file is compared with torch, and the batches that are timed.
CHECKED = 32
BATCHES = (1, 32)


@dataclasses.dataclass(frozen=True)
class ReadBack:
    """An exported network, read from its folder: the model, (images,) bool of its answers, and fields of its Facts."""

    model: nn.Module
    right: np.ndarray
    facts: dict[str, Any]


def read_back(
    folder: Path | str, dense: nn.Module, images: store.Images, differences: dict[str, float], images_per_batch: int
) -> ReadBack:
    """Read a folder of `formats.write`, which gave `differences`, time it beside the dense network, and test it.

    Writes latency.csv into the folder.
    """
    exported, check = stored.read(folder), images.normalised(slice(0, CHECKED))
    table = latency.measured(dense, exported.model, [_repeated(check, batch) for batch in BATCHES])
    tables.write(table, Path(folder) / "latency.csv")
    right = measuring.over(exported.model, _batches(images, images_per_batch)).right
    facts = {
        "description": exported.description,
        "training": exported.facts,
        "images": len(right),
        "latency": _latencies(table),
        "processor": machines.processor(),
        "files": {name: (Path(folder) / name).stat().st_size for name in formats.FILES},
        "differences": differences,
        "checked": len(check),
        "tolerance": formats.TOLERANCE,
    }
    return ReadBack(exported.model, right, facts)


def networks(
    evaluated: Mapping[str, dict[str, Any]],
    dense: nn.Module,
    path: Path | str,
    exported: nn.Module,
    check: torch.Tensor,
) -> dict[str, card_facts.NetworkFacts]:
    """The NetworkFacts of the dense network, from its file, of the exported one, and of others, by name."""
    models = {"dense": dense, "smaller": exported}
    sizes: dict[str, dict[str, Any]] = {name: vars(cost.count(model, check)) for name, model in models.items()}
    sizes["dense"] = sizes["dense"] | {"bytes": Path(path).stat().st_size}
    return {name: card_facts.NetworkFacts(**fields, **sizes.get(name, {})) for name, fields in evaluated.items()}


def performance(row: pandas.Series, right: np.ndarray, confidence: float) -> dict[str, Any]:
    """The performance of a network, as fields of NetworkFacts, from its row of an evaluation and (images,) bool."""
    low, high = intervals.wilson(right.sum(), len(right), confidence)
    by_class = row.filter(regex=r"^accuracy\.").rename(lambda name: name.removeprefix("accuracy."))
    return {
        "accuracy": float(row["accuracy"]),
        "low": low,
        "high": high,
        "loss": float(row["loss"]),
        "by_class": by_class.astype(float).to_dict(),
    }


def accuracy(
    right: Mapping[str, np.ndarray],
    manifests: Iterable[Path | str],
    options: Mapping[str, Any],
    generator: np.random.Generator,
) -> card_facts.AccuracyFacts:
    """The accuracies of the networks `dense` and `smaller`, {network: (images,) bool}, side by side.

    `manifests` are those of their evaluations, of which the arithmetic differs by machine.
    """
    smaller, dense = right["smaller"], right["dense"]
    confidence, resamples = options["confidence"], options["resamples"]
    ends = intervals.paired_bootstrap(smaller, dense, confidence, resamples, generator)
    change = card_facts.Change(float(smaller.mean() - dense.mean()), *ends)
    names = {name for path in manifests for name in provenance.read(path)["precision"]["rows"]}
    return card_facts.AccuracyFacts(change, " and ".join(sorted(names)), confidence, resamples)


def widths(coupled: Coupling, channels: dict[str, list[int]]) -> dict[str, list[int]]:
    """{layer: [channels or features in the dense network, those left]}, without linear layers that lose none."""
    dense, left = groups.widths(coupled, {}), groups.widths(coupled, channels)
    widths = {}
    for layer in dense:
        if layer in coupled.convolutions or left[layer] < dense[layer]:
            widths[layer] = [dense[layer], left[layer]]
    return widths


def _batches(images, images_per_batch):
    for _, pixels, labels in store.batches(images, images_per_batch):
        yield pixels, labels


def _repeated(pixels, count):
    """The first `count` images, repeated where there are fewer."""
    return pixels.repeat(math.ceil(count / len(pixels)), 1, 1, 1)[:count]


def _latencies(table):
    """One BatchLatency for each batch size of a table of `latency.measured`."""
    threads, clock = torch.get_num_threads(), "time on the clock"
    if threads == 1:
        clock = "processor time"
    rows = latency.summary(table).to_dict("records")
    return [card_facts.BatchLatency(**row, threads=threads, clock=clock) for row in rows]
