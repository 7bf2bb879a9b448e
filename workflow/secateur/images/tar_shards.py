"""Tar files of images as a source, in the layout of WebDataset or with a folder for each class inside.

`train/*.tar` and `test/*.tar` are read in the order of their names, and images in the order of a tar file, so that an
evaluation runs through a file; their images should be shuffled when they are packed. The class of an image is the
number in the file `.cls` of the same key, or else the name of its folder inside the tar file; classes.txt beside train/
names the classes, one a line, the first of number 0.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from secateur import Refused
from secateur.images import arrays, encoded
from secateur.study import classes as study_classes
from secateur.study.tar_folders import CLASSES, class_names, shards

if TYPE_CHECKING:
    import numpy as np


def source(folder: Path, data: Mapping[str, Any]) -> arrays.Source:
    """The images of a folder of tar files; raises Refused, naming the file, for one that cannot be used."""
    classes = class_names(folder)
    return arrays.Source(classes, _part(folder, "train", classes, data), _part(folder, "test", classes, data))


def _part(folder, part, classes, data):
    import numpy as np

    numbers = {name: number for number, name in enumerate(classes)}
    labels, names, places = [], [], []
    for shard in shards(folder / part):
        path = f"{part}/{shard}"
        for image in _listed(folder / path):
            labels.append(_label(image, numbers, folder / path))
            names.append(f"{path}/{image.name}")
            places.append((path, image.offset, image.length))
    if part == "train":
        counts = np.bincount(labels, minlength=len(classes))
        _refuse_absent(counts, classes, study_classes.ids(data.get("classes") or classes, classes), folder / part)
    images = encoded.Encoded(folder, encoded.records(places))
    return encoded.part(np.array(labels, dtype=np.int64), names, images, data)


class _Image(NamedTuple):
    name: str
    offset: int
    length: int
    number: str | None  # the content of its .cls file


def _listed(path):
    """Each _Image of a tar file, in order; Refused if it has none, or is no plain tar file."""
    images, numbers = [], {}
    try:
        # Only an uncompressed file can be read at any place.
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                # Which would keep every member in memory.
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue]
                _refuse_link(path, member)
                if not member.isreg():
                    continue
                if member.name.endswith(".cls"):
                    _note_number(numbers, path, member.name, _text(archive, member))
                elif encoded.is_image(member.name):
                    images.append(member)
    except Refused:
        raise
    except (tarfile.TarError, OSError, ValueError) as error:
        raise Refused(f"{path} is no uncompressed tar file, or is damaged ({error}); pack it again") from error
    _refuse_cut(path)
    if not images:
        raise Refused(f"no images found in {path}; put PNG, JPEG or WebP files into it, or remove it")
    for member in images:
        key, kind = _key(member.name)
        # Of a sample with a number, KEY.jpg is the image, and KEY.mask.png is not.
        if key not in numbers or encoded.is_image(f".{kind}") and "." not in kind:
            yield _Image(member.name, member.offset_data, member.size, numbers.get(key))


def _refuse_link(path, member):
    if encoded.is_image(member.name) and (member.islnk() or member.issym() or member.issparse()):
        raise Refused(
            f"{path}: {member.name} is a link or has holes; pack the images themselves (GNU tar: --dereference "
            "--hard-dereference)"
        )


def _note_number(numbers, path, name, number):
    key, _ = _key(name)
    if key in numbers:
        raise Refused(
            f"{path}: {name} is a second .cls file of the sample {key[1]}, because a sample's name ends at its first "
            "dot; write other names without dots"
        )
    numbers[key] = number


def _refuse_cut(path):
    """Refuse a tar file without the blocks of zeros that end one, which is how a cut between two files looks."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, 2 * tarfile.BLOCKSIZE), os.SEEK_END)
        if any(file.read()):
            raise Refused(f"{path} has no end: it was cut short; pack or copy it again")


def _text(archive, member):
    with archive.extractfile(member) as file:
        return file.read().decode("utf-8-sig").strip()


def _key(name):
    """(name of a sample, kind of a file of it): what stands before and behind the first dot of the path's last part."""
    folder, _, last = name.rpartition("/")
    first, _, kind = last.partition(".")
    return (folder, first), kind


def _label(image, numbers, path):
    if image.number is not None:
        if not image.number.isdecimal() or int(image.number) >= len(numbers):
            raise Refused(
                f"{path}: the class of {image.name} is {image.number}; {CLASSES} names {len(numbers)}, counted from 0"
            )
        return int(image.number)
    folder = image.name.rpartition("/")[0].rpartition("/")[2]
    if folder not in numbers:
        raise Refused(
            f"{path}: {image.name} has no .cls file, and its folder is no class of {CLASSES}; add the one or the other"
        )
    return numbers[folder]


def _refuse_absent(counts: np.ndarray, classes, wanted, part):
    """Refuse a class of the study without an image to train on; others only keep their numbers."""
    absent = [classes[number] for number in sorted(wanted) if not counts[number]]
    if absent:
        raise Refused(
            f"{part} has no image of {', '.join(absent[:10])}; add some, or name the others in data.classes (a class "
            f"that is taken out of {CLASSES} changes the numbers of those behind it)"
        )
