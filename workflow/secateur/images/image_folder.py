"""A folder of images as a source: one folder for each class."""

import hashlib
import logging
import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.images import arrays

# In any case. Pillow then decides by content (arrays.FORMATS).
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def image_folder(data: Mapping[str, Any], verified: Path | str | None) -> arrays.Source:
    """The user's own images: train/ and test/, each with a folder for every class.

    Raises Refused, naming the folder, if one is missing, has no image, or is of a class that only test/ has.
    """
    folder = Path(data["folder"])
    _refuse_missing(folder)
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

    def pixels(start, stop):
        decoded = (_decoded(folder / path) for path in paths[start:stop])
        return arrays.stacked(decoded, stop - start, data)

    return arrays.Part(labels, pixels, paths)


def _decoded(path):
    """An image of Pillow, rotated as its EXIF says; Refused names a file that cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=arrays.FORMATS) as image:
            return ImageOps.exif_transpose(_eight_bits(image))
    # A damaged file makes Pillow raise almost anything: OSError, SyntaxError, ValueError, struct.error, ...
    except Exception as error:
        raise Refused(f"{path} cannot be read as an image ({error}); replace or remove it, and run again") from error


def _eight_bits(image):
    """The image, scaled from 0..65,535 to 0..255 if it is 16-bit gray, which Pillow would clip at 255."""
    import numpy as np
    from PIL import Image

    if not image.mode.startswith("I"):
        image.load()
        return image
    reduced = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    reduced.info.update(image.info)
    return reduced


def _listed(folder, part):
    """{class: paths relative to `folder`} of one part, classes and paths sorted by name."""
    paths_by_class, ignored = {}, 0
    for name in _subfolders(folder / part):
        paths = [path for path, _ in _files(folder / part / name, f"{part}/{name}/")]
        images = list(filter(is_image, paths))
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


def is_image(name: str) -> bool:
    """True if a file's name has the suffix of a format that is read: PNG, JPEG, WebP."""
    return name.lower().endswith(SUFFIXES)


def listing_digest(folder: Path | str) -> str:
    """Sixteen hexadecimal digits that change when an image of an image folder is added, removed or rewritten.

    It depends on names, sizes and modification times, not on contents. Raises Refused if the folder, or
    train/ or test/ inside it, does not exist.
    """
    _refuse_missing(folder)
    digest = hashlib.sha256()
    for part in ("train", "test"):
        for path, entry in _files(Path(folder) / part):
            if is_image(path):
                state = entry.stat()
                digest.update(os.fsencode(f"{part}/{path}\0{state.st_size}\0{state.st_mtime_ns}\n"))
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
