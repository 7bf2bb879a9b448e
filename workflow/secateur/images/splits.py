"""Stratified splits of a source's images, drawn by a seed."""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from secateur import Refused
from secateur.images.arrays import Source
from secateur.study import seeds
from secateur.study.vocabulary import SPLITS

# The split whose images rank too, where `rank_from` says so.
SHARED = "validation"


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """The images of one split: ascending rows of the source's part "train" or "test"."""

    part: str
    index: np.ndarray


def divided(source: Source, split: Mapping[str, Any]) -> dict[str, Rows]:
    """{split: Rows} of a source, stratified by class, for the settings `split`.

    A number below 1 is a share, rounded to the nearest integer, of the source's training images (for rank
    with `rank_from: test`, of the test images); any other is a count. Totals are exact. If the source has no test
    images, they are first taken from its training images. With `rank_from: validation`, rank is a part of validation.
    `split.train`, if any, leaves the other splits as they are without it, and a larger one takes more images of every
    class. Raises Refused where there are too few images.
    """
    left = _pools(source, split)
    total = {"train": len(source.train.labels), "test": sum(map(len, left["test"]))}
    taken = {}
    for name, pool in (("rank", split["rank_from"]), ("validation", "train")):
        if pool in left:
            taken[name], left[pool] = _carved(name, split, left[pool], pool, total[pool])
    if split["rank_from"] == SHARED:
        taken["rank"], _ = _carved("rank", split, taken[SHARED], SHARED, total["train"])
    taken |= left
    _refuse_unrepresented(taken, source)
    taken["train"] = _trained_on(split, taken["train"], source.classes)
    _warn_of_missing(taken, source.classes)
    parts = {"train": "train", "validation": "train", "test": "test"}
    if source.test is None:
        parts["test"] = "train"
    parts["rank"] = parts[split["rank_from"]]
    return {name: Rows(parts[name], np.sort(np.concatenate(taken[name]))) for name in SPLITS}


def _pools(source, split):
    """{"train": rows, "test": rows} before rank and validation are taken, shuffled, in one array for each class."""
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
    """(taken, left) of a pool of rows for the split `name`, each in one array for each class."""
    wanted, available = _count(name, split[name], total), sum(map(len, pool))
    if wanted > available:
        raise Refused(
            f"split.{name} wants {wanted} images, but only {available} of the source's {part} images are "
            f"left for it; lower split.{name}, or give more images"
        )
    if wanted == 0:
        raise Refused(f"split.{name} is {split[name]}, which rounds to none of {total} images; raise it")
    taken, left = [], []
    counts = apportioned(wanted, list(map(len, pool)))
    for rows, count in zip(pool, counts, strict=True):
        taken.append(rows[:count])
        left.append(rows[count:])
    return taken, left


def _trained_on(split, left, classes):
    """The rows to train on, in one array for each class: all that are left, or as many as `split.train` says."""
    if split["train"] is None:
        return left
    taken, _ = _carved("train", split, left, "train", sum(map(len, left)))
    for name, rows in zip(classes, taken, strict=True):
        if not len(rows):
            raise Refused(f"split.train is {split['train']}, which leaves class {name} no image to train on; raise it")
    return taken


def _count(name, number, total):
    """The count of images that a setting asks for; a share is rounded to the nearest integer, in exact fractions."""
    exact = Fraction(str(number))
    if exact < 1:
        return math.floor(exact * total + Fraction(1, 2))
    if exact.denominator != 1:
        raise Refused(f"split.{name} is {number}: give a share below 1, or a whole number of images")
    return int(exact)


def apportioned(wanted: int, sizes: Sequence[int]) -> list[int]:
    """Counts in proportion to `sizes` that sum to `wanted`, by the largest remainder; the first wins a tie."""
    total = sum(sizes)
    counts = [wanted * size // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda place: -(wanted * sizes[place] % total))
    for place in by_remainder[: wanted - sum(counts)]:
        counts[place] += 1
    return counts


def _refuse_unrepresented(taken, source):
    """Refuse splits that leave no image of a class to train on, or none at all to report on."""
    if not any(map(len, taken["test"])):
        raise Refused("split.rank takes every test image, and leaves none to report on; lower split.rank")
    for label, name in enumerate(source.classes):
        if not len(taken["train"][label]):
            available = int(np.count_nonzero(source.train.labels == label))
            used = ", ".join(f"{key} {len(taken[key][label])}" for key in ("rank", "validation", "test"))
            raise Refused(
                f"class {name} has no image left to train on: the source has {available}, and the splits take all "
                f"({used}); lower split.rank or split.validation, or give more images of {name}"
            )


def _warn_of_missing(taken, classes):
    """Log the classes of which a split has no image."""
    for key in SPLITS:
        missing = [name for name, rows in zip(classes, taken[key], strict=True) if not len(rows)]
        if missing:
            logging.warning("%s has no image of %d classes: %s", key, len(missing), ", ".join(missing[:10]))
