"""Facts of a card that are measured: performance, the change against the dense network, latency, sizes."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from secateur import cost
from secateur.analysis import intervals
from secateur.evaluation import measuring
from secateur.export import card_facts, formats, latency
from secateur.images import store
from secateur.pruning import groups
from secateur.units.coupling import Coupling

if TYPE_CHECKING:
    import pandas

# The largest batches that are timed.
BATCHES = (1, 32)


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


def change(
    right: Mapping[str, np.ndarray], options: Mapping[str, Any], generator: np.random.Generator
) -> card_facts.Change:
    """The change of the accuracy from the network `dense` to `smaller`, {network: (images,) bool}."""
    smaller, dense = right["smaller"], right["dense"]
    ends = intervals.paired_bootstrap(smaller, dense, options["confidence"], options["resamples"], generator)
    return card_facts.Change(float(smaller.mean() - dense.mean()), *ends)


def size(model: nn.Module, check: torch.Tensor) -> dict[str, int]:
    """Parameters and multiply-adds, as fields of NetworkFacts."""
    return vars(cost.count(model, check))


def widths(coupled: Coupling, channels: dict[str, list[int]]) -> dict[str, list[int]]:
    """{layer: [channels or features in the dense network, those left]}, without linear layers that lose none."""
    dense, left = groups.widths(coupled, {}), groups.widths(coupled, channels)
    widths = {}
    for layer in dense:
        if layer in coupled.convolutions or left[layer] < dense[layer]:
            widths[layer] = [dense[layer], left[layer]]
    return widths


def sizes_on_disk(folder: Path | str) -> dict[str, int]:
    """{file: bytes} of the exported files."""
    return {name: (Path(folder) / name).stat().st_size for name in formats.FILES}


def tested(model: nn.Module, images: store.Images, images_per_batch: int) -> np.ndarray:
    """(images,) bool: the images that a model is right on."""
    return measuring.over(model, _batches(images, images_per_batch)).right


def _batches(images, images_per_batch) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _, pixels, labels in store.batches(images, images_per_batch):
        yield pixels, labels


def timed(dense: nn.Module, smaller: nn.Module, check: torch.Tensor) -> pandas.DataFrame:
    """The table of `latency.measured` for both networks, on batches of repeated images."""
    return latency.measured(dense, smaller, [_repeated(check, batch) for batch in BATCHES])


def _repeated(pixels, count):
    """The first `count` images, repeated where there are fewer."""
    return pixels.repeat(math.ceil(count / len(pixels)), 1, 1, 1)[:count]


def latencies(table: pandas.DataFrame) -> list[card_facts.BatchLatency]:
    """One BatchLatency for each batch size of a table of `timed`."""
    threads, clock = torch.get_num_threads(), "time on the clock"
    if threads == 1:
        clock = "processor time"
    rows = latency.summary(table).to_dict("records")
    return [card_facts.BatchLatency(**row, threads=threads, clock=clock) for row in rows]


def processor() -> str:
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
