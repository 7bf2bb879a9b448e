"""Tar files of images as a source, in the layout of WebDataset or with a folder for each class inside.

`train/*.tar` and `test/*.tar` are read in the order of their names, and images in the order of a tar file, so that
reading runs through a file; their images should be shuffled when they are packed. The class of an image is the number
in the file `.cls` of the same key, or else the name of its folder inside the tar file; classes.txt beside train/ names
the classes, one a line, the first of number 0.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from secateur import Refused
from secateur.images import arrays, encoded
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
    _refuse_absent(np.bincount(labels, minlength=len(classes)), classes, folder / part)
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
                if not member.isreg() or member.issparse():
                    continue
                if member.name.endswith(".cls"):
                    numbers[_key(member.name)[0]] = _text(archive, member)
                elif encoded.is_image(member.name):
                    images.append(member)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise Refused(f"{path} is no uncompressed tar file, or is damaged ({error}); pack it again") from error
    if not images:
        raise Refused(f"no images found in {path}; put PNG, JPEG or WebP files into it, or remove it")
    for member in images:
        key, kind = _key(member.name)
        # Of a sample with a number, KEY.jpg is the image, and KEY.mask.png is not.
        if key not in numbers or encoded.is_image(f".{kind}") and "." not in kind:
            yield _Image(member.name, member.offset_data, member.size, numbers.get(key))


def _text(archive, member):
    with archive.extractfile(member) as file:
        return file.read().decode().strip()


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


def _refuse_absent(counts: np.ndarray, classes, part):
    absent = [name for name, count in zip(classes, counts, strict=True) if not count]
    if absent and part.name == "train":
        raise Refused(f"{part} has no image of {', '.join(absent[:10])}; add some, or take them out of {CLASSES}")
