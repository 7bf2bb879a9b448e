"""Which image belongs to which split: divided by class, the same for the same seed."""

import logging
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from secateur import Refused
from secateur.images.arrays import Source
from secateur.study import seeds
from secateur.study.vocabulary import SPLITS


class Rows(NamedTuple):
    """The images of one split: rows, ascending, of the source's part "train" or "test"."""

    part: str
    index: np.ndarray


def divided(source: Source, split: Mapping[str, Any]) -> dict[str, Rows]:
    """The Rows of every split of a source, by class, for the settings `split`.

    A number below 1 is a share, rounded to the nearest integer, of the source's training images (for rank
    with `rank_from: test`, of the test images); another is a count. Totals are exact. A source without test
    images gives some of its training images for test first. Raises Refused where images are too few.
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
        raise Refused(
            f"split.{name} wants {wanted} images, but only {available} of the source's {part} images are "
            f"left for it; lower split.{name}, or give more images"
        )
    if wanted == 0:
        raise Refused(f"split.{name} is {split[name]}, which of {total} images makes none; raise it")
    counts = apportioned(wanted, [len(rows) for rows in pool])
    taken = [rows[:count] for rows, count in zip(pool, counts, strict=True)]
    return taken, [rows[count:] for rows, count in zip(pool, counts, strict=True)]


def _count(name, number, total):
    """Images that a setting asks for: a share rounds to the nearest integer, in exact fractions."""
    exact = Fraction(str(number))
    if exact < 1:
        return math.floor(exact * total + Fraction(1, 2))
    if exact.denominator != 1:
        raise Refused(f"split.{name} is {number}: give a share below 1, or a whole number of images")
    return int(exact)


def apportioned(wanted: int, sizes: Sequence[int]) -> list[int]:
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
        raise Refused("split.rank takes every test image, and leaves none to report on; lower split.rank")
    for label, name in enumerate(source.classes):
        if not len(taken["train"][label]):
            own = int(np.count_nonzero(source.train.labels == label))
            used = ", ".join(f"{key} {len(taken[key][label])}" for key in ("rank", "validation", "test"))
            raise Refused(
                f"class {name} has no image left to train on: the source has {own}, and the splits take all "
                f"({used}); lower split.rank or split.validation, or give more images of {name}"
            )


def _warn_of_missing(taken, classes):
    """Log which splits show no image of some class."""
    for key in SPLITS:
        missing = [name for name, rows in zip(classes, taken[key], strict=True) if not len(rows)]
        if missing:
            logging.warning("%s has no image of %d classes: %s", key, len(missing), ", ".join(missing[:10]))
