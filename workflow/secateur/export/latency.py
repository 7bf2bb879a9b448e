"""How long a network takes beside the dense one: both in turns, so that what else the machine does meets both alike."""

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator

import pandas
import torch
from torch import nn

# One measurement lasts at least so many seconds, of as many runs as that takes: clocks are coarse.
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

    `batches` are tensors (N, C, H, W), one of each size. With one torch thread the time is the processor's, which
    other programs do not lengthen; with more it is the clock's on the wall. `clock` gives seconds, in place of these.
    """
    clock = clock or (time.thread_time if torch.get_num_threads() == 1 else time.perf_counter)
    rows = []
    with torch.inference_mode(), denormals_flushed():
        for images in batches:
            for number, (first, second) in enumerate(_pairs(dense, smaller, images, pairs, clock)):
                rows.append((len(images), number, 1000 * first, 1000 * second))
    return pandas.DataFrame(rows, columns=["batch", "pair", "dense_ms", "smaller_ms"])


def summary(table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each batch: medians of the milliseconds, and median and quartiles of the ratio dense to smaller."""
    ratios = table.assign(ratio=table["dense_ms"] / table["smaller_ms"]).groupby("batch", sort=False)
    rows = [
        {
            "batch": int(batch),
            "pairs": len(part),
            "dense_ms": part["dense_ms"].median(),
            "smaller_ms": part["smaller_ms"].median(),
            "ratio": part["ratio"].median(),
            "ratio_low": part["ratio"].quantile(0.25),
            "ratio_high": part["ratio"].quantile(0.75),
        }
        for batch, part in ratios
    ]
    return pandas.DataFrame(rows)


@contextlib.contextmanager
def denormals_flushed() -> Iterator[None]:
    """Numbers too small for float32's usual form count as zero for the length of the block: they are many times slower.

    A processor that cannot do so computes with them as ever.
    """
    before = float(torch.full((1,), 1e-310, dtype=torch.float64) * 1) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _pairs(dense, smaller, images, pairs, clock):
    """(seconds of dense, seconds of smaller) for one run over `images`; who goes first changes from pair to pair."""
    runs = {model: _runs(model, images, clock) for model in (dense, smaller)}
    for number in range(pairs):
        order = (dense, smaller) if number % 2 == 0 else (smaller, dense)
        times = [_seconds(model, images, runs[model], clock) for model in order]
        yield tuple(times if number % 2 == 0 else reversed(times))


def _runs(model, images, clock):
    """How many runs last LEAST, after one that warms up."""
    model(images)
    return max(1, math.ceil(LEAST / max(_seconds(model, images, 1, clock), 1e-6)))


def _seconds(model, images, runs, clock):
    start = clock()
    for _ in range(runs):
        model(images)
    return (clock() - start) / runs
