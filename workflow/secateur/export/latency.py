"""The latency of a network beside the dense one: both run in turns, so that other load on the machine affects both."""

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator

import pandas
import torch
from torch import nn

# Seconds that one measurement lasts at least, of as many runs as that takes: clocks are coarse.
LEAST = 0.02
PAIRS = 15


def measured(
    dense: nn.Module,
    smaller: nn.Module,
    batches: Iterable[torch.Tensor],
    pairs: int = PAIRS,
    clock: Callable[[], float] | None = None,
) -> pandas.DataFrame:
    """A table with a row for each pair: batch, pair, and the milliseconds that each model took for the batch.

    `batches` are tensors (N, C, H, W), one of each size. With one torch thread, processor time is measured, which does
    not depend on other programs; with more, wall-clock time. `clock` returns seconds, in place of these.
    """
    clock = clock or _clock()
    rows = []
    with torch.inference_mode(), denormals_flushed():
        for images in batches:
            for pair, seconds in enumerate(_pairs(dense, smaller, images, pairs, clock)):
                rows.append((len(images), pair, 1000 * seconds[0], 1000 * seconds[1]))
    return pandas.DataFrame(rows, columns=["batch", "pair", "dense_ms", "smaller_ms"])


def _clock():
    if torch.get_num_threads() == 1:
        return time.thread_time
    return time.perf_counter


def summary(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each batch size: medians of the milliseconds, median and quartiles of the ratio dense to smaller."""
    ratios = table.assign(ratio=table["dense_ms"] / table["smaller_ms"])
    rows = []
    for batch, part in ratios.groupby("batch", sort=False):
        row = {
            "batch": int(batch),
            "pairs": len(part),
            "dense_ms": part["dense_ms"].median(),
            "smaller_ms": part["smaller_ms"].median(),
            "ratio": part["ratio"].median(),
            "ratio_low": part["ratio"].quantile(0.25),
            "ratio_high": part["ratio"].quantile(0.75),
        }
        rows.append(row)
    return pandas.DataFrame(rows)


@contextlib.contextmanager
def denormals_flushed() -> Iterator[None]:
    """Flush denormal numbers, which are many times slower, to zero for the length of the block.

    A processor that cannot do so computes with them as usual.
    """
    before = float(torch.full((1,), 1e-310, dtype=torch.float64) * 1) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _pairs(dense, smaller, images, pairs, clock):
    """(seconds of dense, seconds of smaller) for one run over `images`; the order alternates from pair to pair."""
    dense_runs, smaller_runs = _runs(dense, images, clock), _runs(smaller, images, clock)
    for pair in range(pairs):
        if pair % 2 == 0:
            dense_time = _seconds(dense, images, dense_runs, clock)
            smaller_time = _seconds(smaller, images, smaller_runs, clock)
        else:
            smaller_time = _seconds(smaller, images, smaller_runs, clock)
            dense_time = _seconds(dense, images, dense_runs, clock)
        yield dense_time, smaller_time


def _runs(model, images, clock):
    """Count of runs that last LEAST, after one that warms up."""
    model(images)
    return max(1, math.ceil(LEAST / max(_seconds(model, images, 1, clock), 1e-6)))


def _seconds(model, images, runs, clock):
    start = clock()
    for _ in range(runs):
        model(images)
    return (clock() - start) / runs
