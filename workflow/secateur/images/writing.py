"""Images of a source, written as uint8 into one HDF5 file for each split, or listed there to be read where they are."""

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
from secateur.images import encoded
from secateur.jobs import progress
from secateur.study.vocabulary import CHANNELS, SPLITS

if TYPE_CHECKING:
    from secateur.images.arrays import Source
    from secateur.images.splits import Rows

# Bytes of pixels decoded at once, which bounds the memory for any count of images.
CHUNK = 1 << 24


def write(
    source: Source,
    rows: Mapping[str, Rows],
    paths: Mapping[str, Path | str],
    data: Mapping[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Write one HDF5 file for each split, at `paths[split]`: all four when all are complete, or none.

    Memory does not grow with the count of images. Images that occur in two splits are counted in the log. With
    `copy: false` each is decoded once, to see that it can be, and its place is written instead of its pixels. Raises
    OSError if the disk has too little space.
    """
    copied = data.get("copy", True)
    if copied:
        _refuse_full_disk(rows, paths, data)
    outputs = {}
    with contextlib.ExitStack() as complete, contextlib.ExitStack() as open_files:
        for name in SPLITS:
            target = complete.enter_context(files.replacing(paths[name]))
            outputs[name] = open_files.enter_context(h5py.File(target, "w"))
            _describe(outputs[name], name, source, rows[name], data, provenance)
        fill = _fill if copied else _list
        hashes, fingerprints = fill(outputs, source, rows, data)
        for name, file in outputs.items():
            file.attrs["pixels_sha256"] = hashes[name].hexdigest()
            file.attrs["complete"] = True
    _warn_of_duplicates(fingerprints, "pixel by pixel" if copied else "byte by byte of their files")


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
    """The count of an image's channels, 1 or 3."""
    return CHANNELS[data["color"]]


def _describe(file, name, source, split, data, provenance):
    """Write all facts of a split, and reserve the space of its pixels."""
    part = getattr(source, split.part)
    file["labels"] = part.labels[split.index]
    file["index"] = split.index
    if part.files is not None:
        # As bytes, because not every name on a disk is UTF-8.
        names = [os.fsencode(part.files[row]) for row in split.index]
        file.create_dataset("files", data=names, dtype=h5py.string_dtype())
    # Contiguous, because its size is known: such a dataset can be mapped into memory.
    if data.get("copy", True):
        file.create_dataset("pixels", (len(split.index), channels(data), data["size"], data["size"]), np.uint8)
    else:
        file.create_dataset("encoded", (len(split.index),), part.encoded.records.dtype)
        file.attrs.update(folder=os.fsencode(part.encoded.folder), size=data["size"], color=data["color"])
    file.attrs.update(_attributes(name, source, split, data, provenance))


def _attributes(name, source, split, data, provenance):
    rows = split.part.encode() + split.index.astype("<i8").tobytes()
    return {
        "split": name,
        "part": split.part,
        "source": data["source"],
        "name": data["name"],
        "classes": json.dumps(source.classes),
        "mean": np.array(data["mean"], dtype=np.float64),
        "std": np.array(data["std"], dtype=np.float64),
        "split_sha256": hashlib.sha256(rows).hexdigest(),
        "provenance": json.dumps(provenance, sort_keys=True, default=str),
    }


def _fill(outputs, source, rows, data):
    """Write all pixels in one pass; return, by split, their SHA-256 and a 64-bit fingerprint of each image."""
    hashes, fingerprints = {}, {}
    for name in SPLITS:
        hashes[name] = hashlib.sha256()
        fingerprints[name] = np.empty(len(rows[name].index), dtype=np.uint64)
    with progress.over(sum(map(len, fingerprints.values())), "images", "prepare") as bar:
        for name, place, block in _blocks(outputs, source, rows):
            outputs[name]["pixels"][place] = block
            hashes[name].update(block)
            fingerprints[name][place] = list(map(encoded.fingerprint, block))
            bar.update(len(block))
    return hashes, fingerprints


def _list(outputs, source, rows, data):
    """Decode all images once and write their places; return, by split, a SHA-256 of them, and their fingerprints."""
    hashes, fingerprints = {}, {}
    with progress.over(sum(len(split.index) for split in rows.values()), "images", "prepare") as bar:
        for name, split in rows.items():
            images = getattr(source, split.part).encoded
            listed = images.records[split.index]
            for place, content in enumerate(encoded.contents(images._replace(records=listed))):
                encoded.decoded(content, encoded.named(images.folder, listed[place]))
                listed["fingerprint"][place] = encoded.fingerprint(content)
                bar.update(1)
            outputs[name]["encoded"][:] = listed
            hashes[name] = hashlib.sha256(f"{data['size']} {data['color']}".encode() + listed["fingerprint"].tobytes())
            fingerprints[name] = listed["fingerprint"]
    return hashes, fingerprints


def _blocks(outputs, source, rows):
    """(split, slice of its rows, pixels) for every image of the source that is in a split."""
    step = max(1, CHUNK // math.prod(outputs["train"]["pixels"].shape[1:]))
    for key, part in (("train", source.train), ("test", source.test)):
        if part is None:
            continue
        total = len(part.labels)
        splits = {name: split.index for name, split in rows.items() if split.part == key}
        for start in range(0, total, step):
            stop = min(start + step, total)
            yield from _distributed(part.pixels(start, stop), start, stop, splits)


def _distributed(pixels, start, stop, splits):
    """The pixels of rows `start` to `stop` of a part, divided between its splits."""
    for name, index in splits.items():
        first, last = np.searchsorted(index, (start, stop))
        if first < last:
            yield name, slice(first, last), pixels[index[first:last] - start]


def _warn_of_duplicates(fingerprints, how):
    """Log duplicates between splits, which exist in published data sets; in train and test they raise the accuracy."""
    for first, second in itertools.combinations(SPLITS, 2):
        shared = np.intersect1d(fingerprints[first], fingerprints[second])
        if len(shared):
            logging.warning("%d image(s) of %s occur, %s, in %s as well", len(shared), first, how, second)
