"""Rows of images in HDF5, (images, channels), a chunk of them in memory at a time."""

from collections.abc import Iterator, Sequence

import h5py
import numpy as np

# Rows of one layer in memory at once.
CHUNK = 4096


def grouped(rows: h5py.Dataset, group: np.ndarray, groups: int) -> np.ndarray:
    """(groups, channels) float64: the first len(group) rows, summed by the group of each."""
    sums = np.zeros((groups, rows.shape[1]))
    for chunk in _chunks(len(group)):
        part = group[chunk]
        order = np.argsort(part, kind="stable")
        present, first = np.unique(part[order], return_index=True)
        values = rows[chunk][order].astype(np.float64)
        sums[present] += np.add.reduceat(values, first, axis=0)
    return sums


def totals(rows: h5py.Dataset) -> np.ndarray:
    """(images,) float64: the sums over channels."""
    parts = [rows[chunk].sum(1, dtype=np.float64) for chunk in _chunks(len(rows))]
    return np.concatenate([np.empty(0), *parts])


def copy(group: h5py.Group, name: str, sources: Sequence[h5py.Dataset], counts: Sequence[int]) -> None:
    """Put the first `counts` rows of each source, one source after the other, into a new dataset of a group."""
    rows = group.create_dataset(name, (sum(counts), sources[0].shape[1]), np.float32)
    start = 0
    for source, count in zip(sources, counts, strict=True):
        for chunk in _chunks(count):
            values = source[chunk]
            rows[start : start + len(values)] = values
            start += len(values)


def _chunks(count: int) -> Iterator[slice]:
    for first in range(0, count, CHUNK):
        yield slice(first, min(first + CHUNK, count))
