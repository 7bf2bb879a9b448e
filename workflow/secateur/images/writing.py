"""Images of a source written once as uint8, split by split, into HDF5."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from secateur.artifacts import files
from secateur.jobs import progress
from secateur.study.vocabulary import CHANNELS, SPLITS

if TYPE_CHECKING:
    from secateur.images.arrays import Source
    from secateur.images.splits import Rows

# Decoded at once, in bytes: what bounds the memory, however many images there are.
CHUNK = 1 << 24


def write(
    source: Source,
    rows: Mapping[str, Rows],
    paths: Mapping[str, Path | str],
    data: Mapping[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Write one HDF5 file for each split, at `paths[split]`: all four when all are complete, or none.

    Memory does not grow with the number of images. Images that stand in two splits are counted in the log.
    """
    _refuse_full_disk(rows, paths, data)
    with contextlib.ExitStack() as whole, contextlib.ExitStack() as open_files:
        targets = {name: whole.enter_context(files.replacing(paths[name])) for name in SPLITS}
        made = {name: open_files.enter_context(h5py.File(targets[name], "w")) for name in SPLITS}
        for name, file in made.items():
            _describe(file, name, source, rows[name], data, provenance)
        hashes, prints = _fill(made, source, rows)
        for name, file in made.items():
            file.attrs["pixels_sha256"] = hashes[name]
            file.attrs["complete"] = True
    _warn_of_duplicates(prints)


def _refuse_full_disk(rows, paths, data):
    images = sum(len(split.index) for split in rows.values())
    needed = images * channels(data) * data["size"] ** 2
    folder = Path(paths["train"]).parent
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{images} images need {needed:,} bytes in {folder}, but its disk has {free:,} left; "
            "free some and run again"
        )


def channels(data: Mapping[str, Any]) -> int:
    """Channels of an image, 1 or 3."""
    return CHANNELS[data["color"]]


def _describe(file, name, source, split, data, provenance):
    """Everything of a split but its pixels."""
    part = getattr(source, split.part)
    file["labels"] = part.labels[split.index]
    file["index"] = split.index
    if part.files is not None:
        # As bytes, because not every name on a disk is UTF-8.
        names = [os.fsencode(part.files[row]) for row in split.index]
        file.create_dataset("files", data=names, dtype=h5py.string_dtype())
    # Contiguous, because its size is known: such a dataset can be mapped into memory.
    file.create_dataset("pixels", (len(split.index), channels(data), data["size"], data["size"]), np.uint8)
    file.attrs.update(
        {
            "split": name,
            "part": split.part,
            "source": data["source"],
            "name": data["name"],
            "classes": json.dumps(source.classes),
            "mean": np.array(data["mean"], dtype=np.float64),
            "std": np.array(data["std"], dtype=np.float64),
            "split_sha256": hashlib.sha256(split.part.encode() + split.index.astype("<i8").tobytes()).hexdigest(),
            "provenance": json.dumps(provenance, sort_keys=True, default=str),
        }
    )


def _fill(made, source, rows):
    """Write all pixels in one pass; return, by split, their SHA-256 and a 64-bit number for each image."""
    hashes = {name: hashlib.sha256() for name in SPLITS}
    prints = {name: np.empty(len(rows[name].index), dtype=np.uint64) for name in SPLITS}
    with progress.over(sum(map(len, prints.values())), "images", "prepare") as bar:
        for name, place, block in _blocks(made, source, rows):
            made[name]["pixels"][place] = block
            hashes[name].update(block)
            prints[name][place] = [int.from_bytes(hashlib.blake2b(image, digest_size=8).digest()) for image in block]
            bar.update(len(block))
    return {name: digest.hexdigest() for name, digest in hashes.items()}, prints


def _blocks(made, source, rows):
    """(split, slice of its rows, pixels) until every image of the source has had its turn."""
    step = max(1, CHUNK // math.prod(made["train"]["pixels"].shape[1:]))
    for key, part in (("train", source.train), ("test", source.test)):
        total = 0 if part is None else len(part.labels)
        for start in range(0, total, step):
            stop = min(start + step, total)
            pixels = part.pixels(start, stop)
            for name in (name for name in SPLITS if rows[name].part == key):
                first, last = np.searchsorted(rows[name].index, (start, stop))
                if first < last:
                    yield name, slice(first, last), pixels[rows[name].index[first:last] - start]


def _warn_of_duplicates(prints):
    """What stands in train and in test flatters the network; some data sets are published so."""
    for one, other in itertools.combinations(SPLITS, 2):
        shared = np.intersect1d(prints[one], prints[other])
        if len(shared):
            logging.warning("%d image(s) stand in %s and again, pixel by pixel, in %s", len(shared), one, other)
