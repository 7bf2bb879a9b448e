"""Relevance in HDF5, written batch by batch, and resumed after a kill.

Per layer: `per_image` and `per_image_abs` (images, channels) float32, the sums over positions of R and of abs(R);
`map_sum` and `map_abs_sum` (channels, height, width) float64, the sums over images. Layers keep network order.
While it is written, the file is `<path>.partial` and holds the maps twice: a batch is written into the copy that
does not count yet, and then one small write of `state` (images done, copy that counts) makes it count.
"""

import json
import logging
import time
from pathlib import Path

import h5py
import numpy as np

from secateur import files

MAPS = ("map_sum", "map_abs_sum")
ROWS = ("per_image", "per_image_abs")
SECONDS_BETWEEN_FLUSHES = 5


def write(path, batches, images, stamp, attributes):
    """Write relevance to `path`; `batches(start)` yields (layers, targets) from image `start` on.

    `layers` is {layer: array (n, C, H, W)} in network order, `targets` the class explained, (n,). `images` is the
    number of all images. A partial file with another stamp is not continued.
    """
    path = Path(path)
    partial = Path(f"{path}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fill(partial, batches, images, stamp)
        with h5py.File(partial, "r+") as file:
            _settle(file, attributes)
    except OSError as error:
        raise files.explained(error, path) from error
    partial.replace(path)


def _fill(partial, batches, images, stamp):
    done = _resumable(partial, images, stamp)
    with h5py.File(partial, "r+" if done else "w", track_order=True) as file:
        slot, sums, flushed = _state(file)[1] if done else 0, {}, time.monotonic()
        if done:
            sums = {name: [file[name][f"{kind}_{slot}"][:] for kind in MAPS] for name in file["layers"].asstr()[:]}
        for layers, targets in batches(done):
            if not done:
                _create(file, layers, images, stamp)
            _add_rows(file, done, layers, targets)
            _add_maps(sums, layers)
            done += len(targets)
            if time.monotonic() - flushed > SECONDS_BETWEEN_FLUSHES or done == images:
                slot, flushed = 1 - slot, time.monotonic()
                _commit(file, sums, done, slot)
    if done != images:
        raise ValueError(f"{partial} has relevance of {done} images, expected {images}")


def _resumable(partial, images, stamp):
    """How many images of a partial file count: 0 if there is none, or it belongs to other settings or code."""
    if not partial.exists():
        return 0
    try:
        with h5py.File(partial, "r") as file:
            if file.attrs["stamp"] != stamp or file.attrs["images"] != images:
                logging.info("%s was begun with other settings or code; starting afresh", partial)
                return 0
            done, slot = _state(file)
            # A job killed while it settled the file has renamed some maps already.
            if any(f"{kind}_{slot}" not in file[name] for name in file["layers"].asstr()[:] for kind in MAPS):
                raise KeyError("it was being finished")
    except (OSError, KeyError) as error:
        logging.info("%s cannot be continued (%s); starting afresh", partial, error)
        return 0
    logging.info("continuing %s after %d of %d images", partial, done, images)
    return done


def _state(file):
    return tuple(int(number) for number in file["state"][:])


def _create(file, layers, images, stamp):
    """All datasets at their final size and place, so that later writes change numbers and no structure."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    file.attrs.update(stamp=stamp, images=images)
    file["layers"] = np.array(list(layers), dtype=h5py.string_dtype())
    file["target"] = np.full(images, -1, dtype=np.int16)
    for name, R in layers.items():
        group = file.create_group(name, track_order=True)
        for kind in ROWS:
            group.create_dataset(kind, (images, R.shape[1]), np.float32, dcpl=early)
        for kind in MAPS:
            for slot in (0, 1):
                group.create_dataset(f"{kind}_{slot}", R.shape[1:], np.float64, dcpl=early)
    file["state"] = np.zeros(2, dtype=np.int64)
    file.flush()


def _add_rows(file, start, layers, targets):
    rows = slice(start, start + len(targets))
    file["target"][rows] = targets
    for name, R in layers.items():
        file[name]["per_image"][rows] = R.sum((2, 3), dtype=np.float64)
        file[name]["per_image_abs"][rows] = np.abs(R).sum((2, 3), dtype=np.float64)


def _add_maps(sums, layers):
    for name, R in layers.items():
        batch = [R.sum(0, dtype=np.float64), np.abs(R).sum(0, dtype=np.float64)]
        sums[name] = [old + new for old, new in zip(sums[name], batch, strict=True)] if name in sums else batch


def _commit(file, sums, done, slot):
    for name, parts in sums.items():
        for kind, values in zip(MAPS, parts, strict=True):
            file[name][f"{kind}_{slot}"][...] = values
    file.flush()
    file["state"][...] = (done, slot)
    file.flush()


def _settle(file, attributes):
    """Keep the copy of the maps that counts, under its final name."""
    slot = _state(file)[1]
    for name in file["layers"].asstr()[:]:
        for kind in MAPS:
            file[name].move(f"{kind}_{slot}", kind)
            del file[name][f"{kind}_{1 - slot}"]
    del file["state"]
    file.attrs["about"] = json.dumps(attributes, sort_keys=True, default=str)
    file.attrs["complete"] = True


def read(path):
    """(maps, number of images): maps is {layer: (mean of R, mean of abs(R))}, each (C, H, W) float64."""
    try:
        with h5py.File(path, "r") as file:
            if not file.attrs.get("complete", False):
                raise ValueError(f"{path} is not a finished relevance file; delete it and run again")
            images = int(file.attrs["images"])
            maps = {name: tuple(file[name][kind][:] / images for kind in MAPS) for name in file["layers"].asstr()[:]}
            return maps, images
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is no readable relevance file ({error}); delete it and run again") from error
