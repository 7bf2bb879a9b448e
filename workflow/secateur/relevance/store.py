"""Relevance in HDF5, written batch by batch, and resumed after a kill.

Per layer: `per_image` and `per_image_abs` (images, channels) float32, the sums over positions of R and of abs(R);
`map_sum` and `map_abs_sum` (channels, height, width) float64, the sums over images. Layers keep network order.
Per image: its `row` in the split, its `label`, the `target`, the class that was explained, and the `start`, the
relevance put on that class. Where each class was explained in turn, `target` is -1, and the numbers of an image are
means over classes, of R and of abs(R). `stability` (points, 2): counts of images, and how alike two halves of so many
rank the channels (stability.py). While it is written, the file is `<path>.partial` (partial_file.py); the finished
file is put together from the partial one, or from those of all shards.
"""

import contextlib
import json
import logging
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from secateur import Refused
from secateur.artifacts import files
from secateur.relevance import partial_file, rows, stability
from secateur.relevance.partial_file import MAPS, ROWS

COLUMNS = {"row": np.int64, "label": np.int64, "target": np.int64, "start": np.float64}
# All shards of a reading share them.
SHARED = ("reading", "network", "split", "classes", "whole")


class Sums(typing.NamedTuple):
    """Sums of a layer's relevance of some images, all float64."""

    per_image: np.ndarray  # (images, channels), over positions
    per_image_abs: np.ndarray  # the same of absolute values
    map_sum: np.ndarray  # (channels, height, width), over images
    map_abs_sum: np.ndarray  # the same of absolute values


def sums_of(R: np.ndarray) -> Sums:
    """The Sums of an array (n, C, H, W)."""
    absolute = np.abs(R)
    return Sums(
        per_image=R.sum((2, 3), dtype=np.float64),
        per_image_abs=absolute.sum((2, 3), dtype=np.float64),
        map_sum=R.sum(0, dtype=np.float64),
        map_abs_sum=absolute.sum(0, dtype=np.float64),
    )


def averaged(
    each: Iterable[tuple[Mapping[str, np.ndarray | Sums], np.ndarray, np.ndarray]],
) -> tuple[dict[str, Sums], np.ndarray, np.ndarray]:
    """The means over classes of what `write` takes, from that of one class after the other, for the same images."""
    totals, put, count = {}, np.zeros(()), 0
    for layers, targets, starts in each:
        for name, sums in _summed(layers).items():
            if name in totals:
                sums = Sums(*map(np.add, totals[name], sums))
            totals[name] = sums
        put, count = put + starts.astype(np.float64), count + 1
        none = np.full(len(targets), -1)
    return {name: _divided(sums, count) for name, sums in totals.items()}, none, put / count


def _divided(sums, count):
    return Sums(*(part / count for part in sums))


def _summed(layers):
    """{layer: its Sums} of {layer: array (n, C, H, W), or its Sums}."""
    sums = {}
    for name, R in layers.items():
        sums[name] = R if isinstance(R, Sums) else sums_of(R)
    return sums


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
    """Write to `path` what one run would have written, from the finished files of all shards, in their order.

    Raises Refused that names a shard of another reading, or one that does not follow the shard before it.
    """
    abouts, end = list(map(about, shards)), 0
    for shard, own in zip(shards, abouts, strict=True):
        for key in SHARED:
            if own.get(key) != abouts[0].get(key):
                raise Refused(f"{shard} was read with another {key} than {shards[0]}; delete the shards and run again")
        end = _end_of(shard, own["part"], end, is_last=shard == shards[-1])
    _join(shards, path, abouts[0] | {"part": [0, end, end], "provenance": provenance})


def _end_of(shard, part, end, is_last):
    """The image at which a shard ends; the shards before it end at `end`."""
    first, last, total = part
    if first != end or (is_last and last != total):
        raise Refused(
            f"{shard} has images {first} to {last} of {total}, but those before it end at {end}; the shards "
            "were made with other settings or images_per_batch: delete them and run again"
        )
    return last


def _fill(path, batches, columns, stamp, until):
    images, done = len(columns["row"]), partial_file.resumable(path, columns, stamp)
    with h5py.File(path, "r+" if done else "w", track_order=True) as file:
        partial = partial_file.Partial(file, columns, stamp, done)
        enough = _enough(file, done, until)
        if not enough:
            enough = _add_batches(partial, batches(done), until)
    if partial.done != images and not enough:
        raise Refused(f"{path} has relevance of {partial.done} images, expected {images}")


def _add_batches(partial, batches, until):
    """Add batches until there are no more, or enough of them; whether they are enough."""
    for layers, targets, starts in batches:
        sums = _summed(layers)
        _refuse_endless(sums)
        partial.add(sums, targets, starts)
        enough = _enough(partial.file, partial.done, until)
        if enough or partial.is_due():
            partial.commit()
        if enough:
            return True
    return False


def _refuse_endless(layers):
    for name, sums in layers.items():
        bad = int((~np.isfinite(sums.per_image_abs)).any(1).sum())
        if bad:
            raise Refused(
                f"the relevance of layer {name} is NaN or infinite for {bad} of {len(sums.per_image_abs)} images: the "
                "rule divides by sums that come close to zero. Count biases in them (bias: true), or take another rule"
            )


def _enough(file, done, until):
    """True if the images read so far rank the channels so well that no more are wanted."""
    if until is None or done < until["at_least"] or done not in stability.points(len(file["row"])):
        return False
    agreement = _agreement(file, done)
    logging.info("two halves of %d images rank the channels alike to %.6f (Spearman)", done, agreement)
    return agreement >= until["stability"]


def _agreement(file, images):
    """Spearman's correlation between the rankings of two halves of the first images."""
    half, sums = stability.halves(file["label"][:images]), {}
    for name in partial_file.layers_of(file):
        sums[name] = rows.grouped(file[name]["per_image_abs"], half, 2)
    return stability.agreement(sums)


# ---- the finished file ---------------------------------------------------------------------------------------


def _join(sources, path, attributes):
    """Write the finished file from a partial one, or from the finished files of shards."""
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(files.replacing(path))
        parts = []
        for source in sources:
            part = stack.enter_context(h5py.File(source, "r"))
            # Images of a shard may be none at all.
            if _count(part):
                parts.append(part)
        file = stack.enter_context(h5py.File(temporary, "w", track_order=True))
        _copy(file, parts)
        curve = _curve(file, sum(map(_count, parts)))
        file["stability"] = np.array(curve, dtype=np.float64).reshape(-1, 2)
        about = json.dumps(attributes, sort_keys=True, default=str)
        file.attrs.update(images=sum(map(_count, parts)), about=about, complete=True)


def _copy(file, parts):
    """Put the columns, rows and maps of all parts into a new file."""
    counts = list(map(_count, parts))
    layers = partial_file.layers_of(parts[0]) if parts else []
    file["layers"] = np.array(layers, dtype=h5py.string_dtype())
    for column, kind in COLUMNS.items():
        values = [part[column][:count] for part, count in zip(parts, counts, strict=True)]
        file[column] = np.concatenate([np.empty(0, kind), *values])
    for name in layers:
        group = file.create_group(name, track_order=True)
        for kind in ROWS:
            rows.copy(group, kind, [part[name][kind] for part in parts], counts)
        both = [partial_file.maps(part, name) for part in parts]
        for kind, maps in zip(MAPS, zip(*both, strict=True), strict=True):
            group[kind] = sum(maps)


def _count(part):
    """Count of images of a finished file, or of those that count of a partial one."""
    return int(part.attrs["images"]) if "complete" in part.attrs else partial_file.state(part)[0]


def _curve(file, images):
    """[(count of images, agreement of two halves of so many), ...]; empty without images."""
    points = stability.points(images) if images else []
    return [(point, _agreement(file, point)) for point in points]


# ---- reading a finished file ---------------------------------------------------------------------------------


def about(path: Path | str) -> dict[str, typing.Any]:
    """The facts of a finished file about its reading, its network and its images, as plain data."""
    with _finished(path) as file:
        return json.loads(file.attrs["about"])


def refuse_other(path: Path | str, reading: Mapping[str, typing.Any], network: Mapping[str, typing.Any]) -> None:
    """Refuse relevance that was read otherwise, or of another network: {setting: value} and {wildcard: value}."""
    facts = about(path)
    wanted = json.loads(json.dumps({**reading, **network}, default=str))
    held = {**facts["reading"], **facts["provenance"]["wildcards"]}
    for key, value in wanted.items():
        if held.get(key) != value:
            raise Refused(
                f"{path} holds relevance of {key} {held.get(key)}, but the study asks for {key} {value}; "
                "delete the file and run again"
            )


def read(path: Path | str) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], int]:
    """(maps, count of images): maps is {layer: (mean of R, mean of abs(R))}, each (C, H, W) float64."""
    with _finished(path) as file:
        images = int(file.attrs["images"])
        means = {}
        for name in partial_file.layers_of(file):
            signed, absolute = partial_file.maps(file, name)
            means[name] = (signed / images, absolute / images)
        return means, images


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
        for name in partial_file.layers_of(file):
            signed, absolute = (rows.grouped(file[name][kind], group, len(present)) for kind in ROWS)
            positions = int(np.prod(file[name][MAPS[0]].shape[1:]))
            layers[name] = (signed / counts[:, None], absolute / counts[:, None], positions)
        names = json.loads(file.attrs["about"])["classes"]
        return list(map(names.__getitem__, present)), layers


def kept(path: Path | str) -> dict[str, np.ndarray]:
    """{layer: (images,)}: the share of an image's relevance that is left at a layer, 1 where it is conserved.

    Only of layers that every path crosses, where nothing passes beside them; an image that started with nothing has 1.
    """
    with _finished(path) as file:
        start, whole = file["start"][:], json.loads(file.attrs["about"])["whole"]
        shares = {}
        for name in partial_file.layers_of(file):
            if name in whole:
                with np.errstate(divide="ignore", invalid="ignore"):
                    shares[name] = np.where(start == 0, 1, rows.totals(file[name]["per_image"]) / start)
        return shares


def stability_of(path: Path | str) -> np.ndarray:
    """(points, 2): counts of images, and Spearman's correlation between the rankings of two halves of so many."""
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
