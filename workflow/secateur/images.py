"""The images of a study: divided by class, written once as uint8, read as normalised float batches.

`divided` decides which image belongs to train, rank, validation and test; `write` makes an HDF5 file of
each; `opened`, `batches` and `normalise` are what every later stage reads with.
"""

import contextlib
import hashlib
import itertools
import json
import logging
import math
import mmap
import os
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from secateur import files, progress, seeds
from secateur.names import CHANNELS, SPLITS, nearest

# Decoded at once, in bytes: what bounds the memory, however many images there are.
CHUNK = 1 << 24
DELETE = "delete it and run again"


class Rows(NamedTuple):
    """The images of one split: rows, ascending, of the source's part "train" or "test"."""

    part: str
    index: np.ndarray


def divided(source, split):
    """The Rows of every split of a source, by class, for the settings `split`.

    A number below 1 is a share, rounded to the nearest integer, of the source's training images (for rank
    with `rank_from: test`, of the test images); another is a count. Totals are exact. A source without test
    images gives some of its training images for test first. Raises ValueError where images are too few.
    """
    left = _pools(source, split)
    total = {"train": len(source.train.labels), "test": sum(map(len, left["test"]))}
    taken = {}
    for name, pool in (("rank", split["rank_from"]), ("validation", "train")):
        taken[name], left[pool] = _carved(name, split, left[pool], pool, total[pool])
    taken |= left
    _refuse_unrepresented(taken, source)
    _warn_of_missing(taken, source.classes)
    parts = {"train": "train", "validation": "train", "test": "train" if source.test is None else "test"}
    parts["rank"] = parts[split["rank_from"]]
    return {name: Rows(parts[name], np.sort(np.concatenate(taken[name]))) for name in SPLITS}


def _pools(source, split):
    """Shuffled rows by class of what is there for training and for test."""
    generator = seeds.numpy_generator(split["seed"], "split")
    train = _shuffled(source.train.labels, len(source.classes), generator)
    if source.test is not None:
        return {"train": train, "test": _shuffled(source.test.labels, len(source.classes), generator)}
    test, train = _carved("test", split, train, "train", len(source.train.labels))
    return {"train": train, "test": test}


def _shuffled(labels, classes, generator):
    """Rows in random order, in one array for each class."""
    return [generator.permutation(np.flatnonzero(labels == label)) for label in range(classes)]


def _carved(name, split, pool, part, total):
    """(taken, left) of a pool of rows, each in one array for each class."""
    wanted, available = _count(name, split[name], total), sum(map(len, pool))
    if wanted > available:
        raise ValueError(
            f"split.{name} wants {wanted} images, but only {available} of the source's {part} images are "
            f"left for it; lower split.{name}, or give more images"
        )
    if wanted == 0:
        raise ValueError(f"split.{name} is {split[name]}, which of {total} images makes none; raise it")
    counts = apportioned(wanted, [len(rows) for rows in pool])
    taken = [rows[:count] for rows, count in zip(pool, counts, strict=True)]
    return taken, [rows[count:] for rows, count in zip(pool, counts, strict=True)]


def _count(name, number, total):
    """Images that a setting asks for: a share rounds to the nearest integer, in exact fractions."""
    exact = Fraction(str(number))
    if exact < 1:
        return math.floor(exact * total + Fraction(1, 2))
    if exact.denominator != 1:
        raise ValueError(f"split.{name} is {number}: give a share below 1, or a whole number of images")
    return int(exact)


def apportioned(wanted, sizes):
    """Counts that add to `wanted` in proportion to `sizes`, by largest remainder; the first wins a tie."""
    total = sum(sizes)
    counts = [wanted * size // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda place: -(wanted * sizes[place] % total))
    for place in by_remainder[: wanted - sum(counts)]:
        counts[place] += 1
    return counts


def _refuse_unrepresented(taken, source):
    """A network cannot learn a class without an image in train, and nothing can be reported on no image."""
    if not any(map(len, taken["test"])):
        raise ValueError("split.rank takes every test image, and leaves none to report on; lower split.rank")
    for label, name in enumerate(source.classes):
        if not len(taken["train"][label]):
            own = int(np.count_nonzero(source.train.labels == label))
            used = ", ".join(f"{key} {len(taken[key][label])}" for key in ("rank", "validation", "test"))
            raise ValueError(
                f"class {name} has no image left to train on: the source has {own}, and the splits take all "
                f"({used}); lower split.rank or split.validation, or give more images of {name}"
            )


def _warn_of_missing(taken, classes):
    """Log which splits show no image of some class."""
    for key in SPLITS:
        missing = [name for name, rows in zip(classes, taken[key], strict=True) if not len(rows)]
        if missing:
            logging.warning("%s has no image of %d classes: %s", key, len(missing), ", ".join(missing[:10]))


def write(source, rows, paths, data, provenance):
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


def channels(data):
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


@dataclass(frozen=True, eq=False)
class Images:
    """The images of one split, on disk until they are asked for.

    `identity` is a digest of pixels, labels, classes and normalisation.

    `pixels` (N, C, H, W) uint8 is mapped from the file; `labels` is (N,) int64; `mean` and `std` have one
    number for each channel, of pixels in 0..1.
    """

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple
    mean: tuple
    std: tuple
    name: str
    split: str
    identity: str

    def __len__(self):
        return len(self.labels)

    def normalised(self, rows):
        """The images of a slice or an array of rows as float32 (n, C, H, W), mean and std applied."""
        import torch

        # A copy, because torch takes no arrays that cannot be written to.
        return normalise(torch.from_numpy(np.array(self.pixels[rows])), self.mean, self.std)


@contextlib.contextmanager
def opened(path):
    """The Images of one HDF5 file; ValueError says what is wrong with one that is cut short or foreign."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file of images {path}; run the workflow up to prepare_images")
    try:
        with h5py.File(path, "r") as file:
            facts, offset, shape = _facts(file)
    except OSError as error:
        # With an errno it is the system that refuses to read, and not the file that is wrong.
        if error.errno is not None:
            raise
        raise ValueError(f"{path} is cut short or no HDF5 file ({error}); {DELETE}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is no file of images of this workflow: {error.args[0]}; {DELETE}") from error
    yield Images(pixels=np.memmap(path, np.uint8, "r", offset, shape), **facts)


def _facts(file):
    """(everything but the pixels, where in the file the pixels begin, their shape)."""
    pixels = file.get("pixels")
    if not isinstance(pixels, h5py.Dataset) or pixels.ndim != 4 or pixels.dtype != np.uint8:
        raise ValueError("it has no dataset `pixels` of four dimensions and uint8")
    offset = pixels.id.get_offset()
    if not file.attrs.get("complete", False) or offset is None:
        raise ValueError("it was not written to its end")
    facts = {key: tuple(map(float, file.attrs[key])) for key in ("mean", "std")}
    facts |= {key: str(file.attrs[key]) for key in ("name", "split")}
    facts |= {"labels": file["labels"][:], "classes": tuple(json.loads(file.attrs["classes"]))}
    told = [file.attrs[key] for key in ("split_sha256", "pixels_sha256", "classes")]
    told.append(str(facts["mean"] + facts["std"]))
    facts["identity"] = hashlib.sha256("".join(told).encode() + facts["labels"].tobytes()).hexdigest()[:16]
    _refuse_mismatch(facts, pixels.shape)
    return facts, offset, pixels.shape


def _refuse_mismatch(facts, shape):
    labels = facts["labels"]
    if labels.shape != shape[:1] or not len(labels):
        raise ValueError(f"it has {shape[0]} images but {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= len(facts["classes"]):
        raise ValueError(
            f"its labels go from {labels.min()} to {labels.max()}, but it has {len(facts['classes'])} classes"
        )
    if not len(facts["mean"]) == len(facts["std"]) == shape[1]:
        raise ValueError(
            f"its images have {shape[1]} channels, but its mean has {len(facts['mean'])} numbers "
            f"and its std {len(facts['std'])}"
        )


def chosen(images, classes=None, most=None):
    """The rows of a split that are of these classes (names, or numbers from 0), the first `most` of them.

    Raises ValueError for a class that the images do not have, or that none of them shows.
    """
    labels = range(len(images.classes)) if classes is None else [class_number(images, name) for name in classes]
    rows = np.flatnonzero(np.isin(images.labels, labels))[:most]
    if not len(rows):
        raise ValueError(f"none of the {len(images)} {images.split} images is of class {', '.join(map(str, classes))}")
    return rows


def class_number(images, name, others=()):
    """The number of a class from its name or number; ValueError has the nearest of the classes and of `others`."""
    if isinstance(name, int) and name < len(images.classes):
        return name
    if str(name) not in images.classes:
        known = f"0 to {len(images.classes) - 1}" if isinstance(name, int) else ", ".join(images.classes[:10])
        near = "" if isinstance(name, int) else nearest(name, [*images.classes, *others])
        raise ValueError(f"{images.name} has no class {name}{near or f'; known: {known}'}")
    return images.classes.index(str(name))


def shard(count, number, total, size):
    """(first, last) of part `number` (from 0) of `total` of so many images, cut between batches of `size`.

    An image in a batch of other images may be rounded otherwise, so the batches stay those of an undivided run; with
    fewer batches than parts, some parts are empty.
    """
    batches = -(-count // size)
    first, last = (min(size * (batches * place // total), count) for place in (number, number + 1))
    return first, last


def batches(images, size, rows=None, start=0, ends=()):
    """(place of the first, pixels (n, C, H, W) float32, labels (n,) int64) of up to `size` images at a time.

    `rows` are those of the split, in this order; without them all are meant. The first batch begins at place
    `start` of them, and a batch ends at every place in `ends`.
    """
    import torch

    rows = np.arange(len(images)) if rows is None else rows
    ends = sorted({*(end for end in ends if start < end < len(rows)), len(rows)})
    for begin, end in itertools.pairwise([start, *ends]):
        for first in range(begin, end, size):
            part = rows[first : min(first + size, end)]
            pixels = images.normalised(part)
            _give_back(images.pixels)
            yield first, pixels, torch.from_numpy(images.labels[part])


def _give_back(pixels):
    """Unmap what was read of a mapped file: it stays in the system's cache, but counts as memory of the process."""
    if isinstance(pixels, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        pixels.base.madvise(mmap.MADV_DONTNEED)


def normalise(pixels, mean, std):
    """(pixels / 255 - mean) / std, channel by channel, as float32; pixels are a tensor (..., C, H, W)."""
    # Torch is imported where it is used: preparing images does without it.
    import torch

    mean, std = (pixels.new_tensor(numbers, dtype=torch.float32).view(-1, 1, 1) for numbers in (mean, std))
    return pixels.to(torch.float32).div(255).sub_(mean).div_(std)
