"""Relevance in HDF5, written batch by batch, and resumed after a kill.

Per layer: `per_image` and `per_image_abs` (images, channels) float32, the sums over positions of R and of abs(R);
`map_sum` and `map_abs_sum` (channels, height, width) float64, the sums over images. Layers keep network order.
Per image: its `row` in the split, its `label`, the `target`, the class that was explained, and the `start`, the
relevance put on that class. Where each class was explained in turn, `target` is -1, and the numbers of an image are
means over classes, of R and of abs(R). `stability` (points,
2): numbers of images, and how alike two halves of so many rank the channels (stability.py).
While it is written, the file is `<path>.partial` and holds the maps twice: a batch is written into the copy that
does not count yet, and then one small write of `state` (images done, copy that counts) makes it count. The finished
file is put together from the partial one, or from those of all shards.
"""

import contextlib
import json
import logging
import time
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from secateur import Refused
from secateur.artifacts import files
from secateur.relevance import stability

MAPS = ("map_sum", "map_abs_sum")
ROWS = ("per_image", "per_image_abs")
COLUMNS = {"row": np.int64, "label": np.int64, "target": np.int64, "start": np.float64}
# What all shards of a reading have in common.
SHARED = ("reading", "network", "split", "classes", "whole")
SECONDS_BETWEEN_FLUSHES = 5
# Rows of one layer in memory at once.
CHUNK = 4096


class Sums(typing.NamedTuple):
    """What the file keeps of a layer's relevance of some images, all float64."""

    per_image: np.ndarray
    per_image_abs: np.ndarray
    map_sum: np.ndarray
    map_abs_sum: np.ndarray


def sums_of(R: np.ndarray) -> Sums:
    """The Sums of an array (n, C, H, W)."""
    return Sums(*(part.sum(axes, dtype=np.float64) for axes in ((2, 3), 0) for part in (R, np.abs(R))))


def averaged(
    each: Iterable[tuple[Mapping[str, np.ndarray | Sums], np.ndarray, np.ndarray]],
) -> tuple[dict[str, Sums], np.ndarray, np.ndarray]:
    """The means over classes of what `write` takes, from that of one class after the other, for the same images."""
    total, put, count = {}, 0, 0
    for layers, targets, starts in each:
        for name, R in layers.items():
            found = R if isinstance(R, Sums) else sums_of(R)
            total[name] = [old + new for old, new in zip(total[name], found, strict=True)] if name in total else found
        put, count, none = put + starts.astype(np.float64), count + 1, np.full(len(targets), -1)
    return {name: Sums(*(part / count for part in parts)) for name, parts in total.items()}, none, put / count


def write(
    path: Path | str,
    batches: Callable[[int], Iterable[tuple[Mapping[str, np.ndarray | Sums], np.ndarray, np.ndarray]]],
    columns: Mapping[str, np.ndarray],
    stamp: str,
    attributes: dict[str, typing.Any],
    until: Mapping[str, float] | None = None,
) -> None:
    """Write relevance to `path`; `batches(first)` yields (layers, targets, starts) from image `first` on.

    `layers` is {layer: array (n, C, H, W), or its Sums} in network order, `targets` the class explained and `starts`
    the relevance put on it, (n,). `columns` has the `row` and the `label` of all images, (images,). A partial file
    with another stamp or of other rows is not continued. With `until`, {"stability": least agreement, "at_least":
    images}, reading ends at the first of `stability.points` where two halves agree so well; a batch has to end at
    each of them.
    """
    path, partial = Path(path), Path(f"{path}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fill(partial, batches, columns, stamp, until)
    except OSError as error:
        raise files.explained(error, path) from error
    _join([partial], path, attributes)
    partial.unlink()


def merge(shards: Sequence[Path | str], path: Path | str, provenance: dict[str, typing.Any]) -> None:
    """Write to `path` what one run would have written, from the finished files of all shards, in their order."""
    all_about, after = [about(shard) for shard in shards], 0
    for shard, one in zip(shards, all_about, strict=True):
        first, last, total = one["part"]
        other = [key for key in SHARED if one.get(key) != all_about[0].get(key)]
        if other:
            raise Refused(f"{shard} was read with another {other[0]} than {shards[0]}; delete the shards and run again")
        if first != after or (shard == shards[-1] and last != total):
            raise Refused(
                f"{shard} has images {first} to {last} of {total}, but those before it end at {after}; the shards "
                "were made with other settings or images_per_batch: delete them and run again"
            )
        after = last
    _join(shards, path, all_about[0] | {"part": [0, after, after], "provenance": provenance})


def _fill(partial, batches, columns, stamp, until):
    images, done = len(columns["row"]), _resumable(partial, columns, stamp)
    with h5py.File(partial, "r+" if done else "w", track_order=True) as file:
        if not done:
            _begin(file, columns, stamp)
        slot, sums, flushed = _state(file)[1], _sums(file), time.monotonic()
        enough = _enough(file, done, until)
        for layers, targets, starts in () if enough else batches(done):
            layers = {name: R if isinstance(R, Sums) else sums_of(R) for name, R in layers.items()}
            _refuse_endless(layers)
            if not done:
                _create(file, layers, images)
            _add_rows(file, done, layers, targets, starts)
            _add_maps(sums, layers)
            done += len(targets)
            enough = _enough(file, done, until)
            if time.monotonic() - flushed > SECONDS_BETWEEN_FLUSHES or done == images or enough:
                slot, flushed = 1 - slot, time.monotonic()
                _commit(file, sums, done, slot)
            if enough:
                break
    if done != images and not enough:
        raise Refused(f"{partial} has relevance of {done} images, expected {images}")


def _refuse_endless(layers):
    for name, found in layers.items():
        bad = int((~np.isfinite(found.per_image_abs)).any(1).sum())
        if bad:
            raise Refused(
                f"the relevance of layer {name} is NaN or infinite for {bad} of {len(found.per_image_abs)} images: the "
                "rule divides by sums that come close to zero. Count biases in them (bias: true), or take another rule"
            )


def _resumable(partial, columns, stamp):
    """How many images of a partial file count: 0 if there is none, or it belongs to other settings, code or images."""
    if not partial.exists():
        return 0
    try:
        with h5py.File(partial, "r") as file:
            if file.attrs["stamp"] != stamp or not np.array_equal(file["row"][:], columns["row"]):
                logging.info("%s was begun with other settings, code or images; starting afresh", partial)
                return 0
            done = _state(file)[0]
    except (OSError, KeyError) as error:
        logging.info("%s cannot be continued (%s); starting afresh", partial, error)
        return 0
    logging.info("continuing %s after %d of %d images", partial, done, len(columns["row"]))
    return done


def _state(file):
    return tuple(int(number) for number in file["state"][:])


def _layers(file):
    return list(file["layers"].asstr()[:]) if "layers" in file else []


def _sums(file):
    """{layer: maps that count} of a partial file."""
    slot = _state(file)[1]
    return {name: [file[name][f"{kind}_{slot}"][:] for kind in MAPS] for name in _layers(file)}


def _enough(file, done, until):
    """Whether the images read so far rank the channels so well that no more are wanted."""
    if until is None or done < until["at_least"] or done not in stability.points(len(file["row"])):
        return False
    agreement = _agreement(file, done)
    logging.info("two halves of %d images rank the channels alike to %.6f (Spearman)", done, agreement)
    return agreement >= until["stability"]


def _agreement(file, images):
    half = stability.halves(file["label"][:images])
    return stability.agreement({name: _grouped(file[name]["per_image_abs"], half, 2) for name in _layers(file)})


def _grouped(rows, group, groups):
    """(groups, channels) float64: the first len(group) rows, summed by the group of each, a chunk at a time."""
    sums = np.zeros((groups, rows.shape[1]))
    for start in range(0, len(group), CHUNK):
        part = group[start : start + CHUNK]
        order = np.argsort(part, kind="stable")
        present, first = np.unique(part[order], return_index=True)
        values = rows[start : start + len(part)][order].astype(np.float64)
        sums[present] += np.add.reduceat(values, first, axis=0)
    return sums


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
    for name, found in layers.items():
        group = file.create_group(name, track_order=True)
        for kind in ROWS:
            group.create_dataset(kind, (images, len(found.map_sum)), np.float32, dcpl=early)
        for kind in MAPS:
            for slot in (0, 1):
                group.create_dataset(f"{kind}_{slot}", found.map_sum.shape, np.float64, dcpl=early)
    file.flush()


def _add_rows(file, first, layers, targets, starts):
    rows = slice(first, first + len(targets))
    file["target"][rows], file["start"][rows] = targets, starts
    for name, found in layers.items():
        for kind in ROWS:
            file[name][kind][rows] = getattr(found, kind)


def _add_maps(sums, layers):
    for name, found in layers.items():
        batch = [found.map_sum, found.map_abs_sum]
        sums[name] = [old + new for old, new in zip(sums[name], batch, strict=True)] if name in sums else batch


def _commit(file, sums, done, slot):
    for name, parts in sums.items():
        for kind, values in zip(MAPS, parts, strict=True):
            file[name][f"{kind}_{slot}"][...] = values
    file.flush()
    file["state"][...] = (done, slot)
    file.flush()


def _join(sources, path, attributes):
    """Write the finished file from a partial one, or from the finished files of shards."""
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(files.replacing(path))
        parts = [stack.enter_context(h5py.File(source, "r")) for source in sources]
        file = stack.enter_context(h5py.File(temporary, "w", track_order=True))
        parts = [(part, count) for part in parts if (count := _count(part))]
        layers = _layers(parts[0][0]) if parts else []
        file["layers"] = np.array(layers, dtype=h5py.string_dtype())
        for column, kind in COLUMNS.items():
            file[column] = np.concatenate([np.empty(0, kind), *(part[column][:count] for part, count in parts)])
        for name in layers:
            group = file.create_group(name, track_order=True)
            for kind in ROWS:
                _copy_rows(group, kind, [(part[name][kind], count) for part, count in parts])
            for kind in MAPS:
                group[kind] = sum(_map(part, name, kind) for part, _ in parts)
        images = sum(count for _, count in parts)
        curve = [(point, _agreement(file, point)) for point in stability.points(images)] if images else []
        file["stability"] = np.array(curve, dtype=np.float64).reshape(-1, 2)
        file.attrs.update(images=images, about=json.dumps(attributes, sort_keys=True, default=str), complete=True)


def _count(part):
    return int(part.attrs["images"]) if "complete" in part.attrs else _state(part)[0]


def _map(part, name, kind):
    """A map of a finished file, or the copy that counts of a partial one."""
    return part[name][kind if kind in part[name] else f"{kind}_{_state(part)[1]}"][:]


def _copy_rows(group, kind, sources):
    total, start = sum(count for _, count in sources), 0
    rows = group.create_dataset(kind, (total, sources[0][0].shape[1]), np.float32)
    for source, count in sources:
        for first in range(0, count, CHUNK):
            values = source[first : min(first + CHUNK, count)]
            rows[start : start + len(values)] = values
            start += len(values)


# ---- what later stages read ----------------------------------------------------------------------------------


def about(path: Path | str) -> dict[str, typing.Any]:
    """What a finished file says of its reading, its network and its images, as plain data."""
    with _finished(path) as file:
        return json.loads(file.attrs["about"])


def refuse_other(path: Path | str, reading: Mapping[str, typing.Any], network: Mapping[str, typing.Any]) -> None:
    """Refuse relevance that was read otherwise, or of another network: {setting: value} and {wildcard: value}."""
    own = about(path)
    wanted = json.loads(json.dumps({**reading, **network}, default=str))
    found = {**own["reading"], **own["provenance"]["wildcards"]}
    for key, value in wanted.items():
        if found.get(key) != value:
            raise Refused(
                f"{path} holds relevance of {key} {found.get(key)}, but the study asks for {key} {value}; "
                "delete the file and run again"
            )


def read(path: Path | str) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], int]:
    """(maps, number of images): maps is {layer: (mean of R, mean of abs(R))}, each (C, H, W) float64."""
    with _finished(path) as file:
        images = int(file.attrs["images"])
        return {name: tuple(file[name][kind][:] / images for kind in MAPS) for name in _layers(file)}, images


def without(path: Path | str) -> dict[str, list[int]]:
    """{layer: channels} of the layers that have no relevance by the reading's rule."""
    return about(path).get("without", {})


def by_class(path: Path | str) -> tuple[list[str | int], dict[str, tuple[np.ndarray, np.ndarray, int]]]:
    """(names of the classes that the images show, {layer: (signed, absolute, positions)}).

    `signed` and `absolute` are (classes, channels): the mean over a class's images of the sums over positions of R
    and of abs(R).
    """
    with _finished(path) as file:
        present, group, counts = np.unique(file["label"][:], return_inverse=True, return_counts=True)
        layers = {}
        for name in _layers(file):
            means = (_grouped(file[name][kind], group, len(present)) / counts[:, None] for kind in ROWS)
            layers[name] = (*means, int(np.prod(file[name][MAPS[0]].shape[1:])))
        names = json.loads(file.attrs["about"])["classes"]
        return [names[label] for label in present], layers


def kept(path: Path | str) -> dict[str, np.ndarray]:
    """{layer: (images,)}: the share of an image's relevance that is still there at a layer, 1 where it is conserved.

    Only of layers that every path crosses, where nothing goes past; an image that started with nothing has 1.
    """
    with _finished(path) as file:
        start, whole = file["start"][:], json.loads(file.attrs["about"])["whole"]
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                name: np.where(start == 0, 1, _totals(file[name]["per_image"]) / start)
                for name in _layers(file)
                if name in whole
            }


def _totals(rows):
    """(images,) float64: the sums over channels, a chunk at a time."""
    parts = [rows[first : first + CHUNK].sum(1, dtype=np.float64) for first in range(0, len(rows), CHUNK)]
    return np.concatenate([np.empty(0), *parts])


def stability_of(path: Path | str) -> np.ndarray:
    """(points, 2): numbers of images, and Spearman's correlation between the rankings of two halves of so many."""
    with _finished(path) as file:
        return file["stability"][:]


@contextlib.contextmanager
def _finished(path):
    try:
        with h5py.File(path, "r") as file:
            if not file.attrs.get("complete", False):
                raise Refused(f"{path} is not a finished relevance file; delete it and run again")
            yield file
    except (OSError, KeyError) as error:
        raise Refused(f"{path} is no readable relevance file ({error}); delete it and run again") from error
