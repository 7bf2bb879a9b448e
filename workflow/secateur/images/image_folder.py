"""A folder of images as a source: one folder for each class, or tar files."""

import hashlib
import logging
import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.images import arrays, encoded, tar_shards
from secateur.study import tar_folders


def image_folder(data: Mapping[str, Any], verified: Path | str | None) -> arrays.Source:
    """The user's own images: train/ and test/, each with a folder for every class, or with tar files.

    Raises Refused, naming the folder, if one is missing, has no image, or is of a class that only test/ has.
    """
    folder = Path(data["folder"])
    _refuse_missing(folder)
    if tar_folders.used(folder):
        return tar_shards.source(folder, data)
    train, test = _listed(folder, "train"), _listed(folder, "test")
    classes = tuple(train)
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise Refused(
            f"{folder}/test has images of class {', '.join(unknown)}, but {folder}/train has no such folder; "
            "add training images of it, or take it out of test/"
        )
    return arrays.Source(classes, _part(folder, classes, train, data), _part(folder, classes, test, data))


def _part(folder, classes, paths_by_class, data):
    """One part, with its classes in turns, so that the first images of any split are of all classes."""
    import numpy as np

    images = []
    for label, name in enumerate(classes):
        for turn, path in enumerate(paths_by_class.get(name, ())):
            images.append((turn, label, path))
    images.sort()
    labels = np.array([label for _, label, _ in images], dtype=np.int64)
    paths = [path for _, _, path in images]
    records = encoded.records([(path, 0, encoded.WHOLE) for path in paths])
    return encoded.part(labels, paths, encoded.Encoded(folder, records), data)


def _listed(folder, part):
    """{class: paths relative to `folder`} of one part, classes and paths sorted by name."""
    paths_by_class, ignored = {}, 0
    for name in _subfolders(folder / part):
        paths = [path for path, _ in _files(folder / part / name, f"{part}/{name}/")]
        images = list(filter(encoded.is_image, paths))
        paths_by_class[name] = images
        ignored += len(paths) - len(images)
    if ignored:
        logging.info("%s/%s: %d files are neither PNG, JPEG nor WebP, and are ignored", folder, part, ignored)
    _refuse_empty(folder / part, paths_by_class, ignored)
    return paths_by_class


def _subfolders(folder):
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _refuse_empty(folder, paths_by_class, ignored):
    also = ""
    if ignored:
        also = f" ({ignored} files of other formats were ignored)"
    empty = [f"{folder}/{name}" for name, paths in paths_by_class.items() if not paths]
    if len(empty) == len(paths_by_class):
        raise Refused(f"no images found in {folder}: put PNG, JPEG or WebP files into {folder}/<class>/{also}")
    if empty:
        raise Refused(f"no images found in {', '.join(empty)}{also}; add PNG, JPEG or WebP files, or delete the folder")


def listing_digest(folder: Path | str) -> str:
    """Sixteen hexadecimal digits that change when an image of an image folder is added, removed or rewritten.

    It depends on names, sizes and modification times, not on contents, but for the names of the classes of tar files.
    Raises Refused if the folder, or
    train/ or test/ inside it, does not exist.
    """
    _refuse_missing(folder)
    digest = hashlib.sha256()
    for part in ("train", "test"):
        for path, entry in _files(Path(folder) / part):
            if encoded.is_image(path) or tar_folders.is_shard(path):
                state = entry.stat()
                digest.update(os.fsencode(f"{part}/{path}\0{state.st_size}\0{state.st_mtime_ns}\n"))
    if tar_folders.used(Path(folder)):
        # By content: it is small, and decides what the numbers in the tar files mean.
        digest.update("\n".join(tar_folders.class_names(Path(folder))).encode())
    return digest.hexdigest()[:16]


def _refuse_missing(folder):
    if not Path(folder).is_dir():
        raise Refused(f"data.folder is {folder}, but there is no such folder; name the one that holds train/ and test/")
    for part in ("train", "test"):
        if not (Path(folder) / part).is_dir():
            raise Refused(
                f"data.folder is {folder}, but it has no folder {part}/; "
                "it needs train/ and test/, each with a folder per class"
            )


def _files(folder, below=""):
    """(path, entry) of every file in a folder and its subfolders, by name, without hidden ones."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in sorted(visible, key=operator.attrgetter("name")):
        if entry.is_dir():
            yield from _files(entry.path, f"{below}{entry.name}/")
        elif entry.is_file():
            yield f"{below}{entry.name}", entry
