"""A relevance file that is being written: batches are added, and those that count survive a kill.

It holds the maps twice: a batch is written into the copy that does not count yet, and then one small write of `state`
(images done, copy that counts) makes it count.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

if TYPE_CHECKING:
    from secateur.relevance.store import Sums

MAPS = ("map_sum", "map_abs_sum")
ROWS = ("per_image", "per_image_abs")
SECONDS_BETWEEN_FLUSHES = 5


class Partial:
    """An open partial file of which `done` images count."""

    def __init__(self, file: h5py.File, columns: Mapping[str, np.ndarray], stamp: str, done: int) -> None:
        self.file, self.done, self.images = file, done, len(columns["row"])
        if not done:
            _begin(file, columns, stamp)
        self.slot = state(file)[1]
        self.sums: dict[str, Sequence[np.ndarray]] = {name: maps(file, name) for name in layers_of(file)}
        self.flushed = time.monotonic()

    def add(self, layers: Mapping[str, Sums], targets: np.ndarray, starts: np.ndarray) -> None:
        """Add a batch, (n,) `targets` and `starts`; it counts after the next `commit`."""
        if not self.done:
            _create(self.file, layers, self.images)
        rows = slice(self.done, self.done + len(targets))
        self.file["target"][rows], self.file["start"][rows] = targets, starts
        for name, sums in layers.items():
            for kind in ROWS:
                self.file[name][kind][rows] = getattr(sums, kind)
            batch = [sums.map_sum, sums.map_abs_sum]
            if name in self.sums:
                batch = list(map(np.add, self.sums[name], batch))
            self.sums[name] = batch
        self.done += len(targets)

    def is_due(self) -> bool:
        """True if the batches so far should count: after all images, and after some seconds."""
        return self.done == self.images or time.monotonic() - self.flushed > SECONDS_BETWEEN_FLUSHES

    def commit(self) -> None:
        """Make all batches count that were added."""
        self.slot, self.flushed = 1 - self.slot, time.monotonic()
        for name, parts in self.sums.items():
            for kind, values in zip(MAPS, parts, strict=True):
                self.file[name][f"{kind}_{self.slot}"][...] = values
        self.file.flush()
        self.file["state"][...] = (self.done, self.slot)
        self.file.flush()


def resumable(path: Path, columns: Mapping[str, np.ndarray], stamp: str) -> int:
    """Count of images of a partial file that count: 0 without one, or if it is of other settings, code or images."""
    if not path.exists():
        return 0
    try:
        with h5py.File(path, "r") as file:
            if file.attrs["stamp"] != stamp or not np.array_equal(file["row"][:], columns["row"]):
                logging.info("%s was begun with other settings, code or images; starting afresh", path)
                return 0
            done = state(file)[0]
    except (OSError, KeyError) as error:
        logging.info("%s cannot be continued (%s); starting afresh", path, error)
        return 0
    logging.info("continuing %s after %d of %d images", path, done, len(columns["row"]))
    return done


def state(file: h5py.File) -> tuple[int, int]:
    """(images done, copy of the maps that counts) of a partial file."""
    done, slot = file["state"][:]
    return int(done), int(slot)


def layers_of(file: h5py.File) -> list[str]:
    """Names of the layers of a file, partial or finished, in network order."""
    return list(file["layers"].asstr()[:]) if "layers" in file else []


def maps(file: h5py.File, layer: str) -> list[np.ndarray]:
    """[map_sum, map_abs_sum] of a layer: those of a finished file, or the copy that counts of a partial one."""
    suffix = f"_{state(file)[1]}" if "state" in file else ""
    return [file[layer][kind + suffix][:] for kind in MAPS]


def _begin(file, columns, stamp):
    file.attrs["stamp"] = stamp
    for name in ("row", "label"):
        file[name] = np.asarray(columns[name], dtype=np.int64)
    file["target"] = np.full(len(columns["row"]), -1, dtype=np.int64)
    file["start"] = np.zeros(len(columns["row"]))
    file["state"] = np.zeros(2, dtype=np.int64)
    file.flush()


def _create(file, layers, images):
    """All datasets at their final size and place, so that later writes change numbers and no structure."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    file["layers"] = np.array(list(layers), dtype=h5py.string_dtype())
    for name, sums in layers.items():
        group = file.create_group(name, track_order=True)
        for kind in ROWS:
            group.create_dataset(kind, (images, len(sums.map_sum)), np.float32, dcpl=early)
        for kind in MAPS:
            for slot in (0, 1):
                group.create_dataset(f"{kind}_{slot}", sums.map_sum.shape, np.float64, dcpl=early)
    file.flush()
