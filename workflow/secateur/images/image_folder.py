"""A folder of images as a source: one folder for each class."""

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.images import arrays

# By suffix, in any case; and by content, as Pillow names the formats.
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def image_folder(data: Mapping[str, Any], verified: Path | str | None) -> arrays.Source:
    """The user's own images: train/ and test/, each with a folder for every class."""
    folder = Path(data["folder"])
    _refuse_missing(folder)
    train, test = (_listed(folder, part) for part in ("train", "test"))
    classes = tuple(train)
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise Refused(
            f"{folder}/test has images of class {', '.join(unknown)}, but {folder}/train has no such folder; "
            "add training images of it, or take it out of test/"
        )
    return arrays.Source(classes, *(_folder_part(folder, classes, files, data) for files in (train, test)))


def _folder_part(folder, classes, files, data):
    """One part, its classes taking turns: the first so many images of any split then show them all."""
    import numpy as np

    turns = sorted((turn, label) for label, name in enumerate(classes) for turn in range(len(files.get(name, ()))))
    paths = [files[classes[label]][turn] for turn, label in turns]

    def pixels(start, stop):
        return arrays.stacked((_decoded(folder / path) for path in paths[start:stop]), stop - start, data)

    return arrays.Part(np.array([label for _, label in turns], dtype=np.int64), pixels, paths)


def _decoded(path):
    """An image of Pillow, upright as its EXIF says; ValueError names a file that cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=arrays.FORMATS) as image:
            return ImageOps.exif_transpose(_eight_bits(image))
    # A damaged file makes Pillow raise almost anything: OSError, SyntaxError, ValueError, struct.error, ...
    except Exception as error:
        raise Refused(f"{path} cannot be read as an image ({error}); replace or remove it, and run again") from error


def _eight_bits(image):
    """Pillow clips 16-bit gray at 255 when it converts; here 0 to 65,535 becomes 0 to 255."""
    import numpy as np
    from PIL import Image

    if not image.mode.startswith("I"):
        image.load()
        return image
    reduced = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    reduced.info.update(image.info)
    return reduced


def _listed(folder, part):
    """{class: paths below `folder`} of one part, classes and paths by name."""
    found, ignored = {}, 0
    with os.scandir(folder / part) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    for name in classes:
        paths = [f"{part}/{name}/{path}" for path, _ in _files(folder / part / name)]
        found[name] = [path for path in paths if is_image(path)]
        ignored += len(paths) - len(found[name])
    if ignored:
        logging.info("%s/%s: %d files are neither PNG, JPEG nor WebP, and are ignored", folder, part, ignored)
    _refuse_empty(folder / part, found, ignored)
    return found


def _refuse_empty(folder, found, ignored):
    also = f" ({ignored} files of other formats were ignored)" if ignored else ""
    if not any(found.values()):
        raise Refused(f"no images found in {folder}: put PNG, JPEG or WebP files into {folder}/<class>/{also}")
    empty = [name for name, paths in found.items() if not paths]
    if empty:
        raise Refused(
            f"no images found in {', '.join(f'{folder}/{name}' for name in empty)}{also}; "
            "add PNG, JPEG or WebP files, or delete the folder"
        )


def is_image(name: str) -> bool:
    """Whether a file's name ends like one of the formats that are read: PNG, JPEG, WebP."""
    return name.lower().endswith(SUFFIXES)


def listing_digest(folder: Path | str) -> str:
    """Sixteen hexadecimal digits that change when an image of an image folder is added, removed or rewritten.

    It looks at names, sizes and times of change, not into the files. Raises Refused if the folder, or
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
    """(path, entry) of every file in a folder and its subfolders, by name; hidden ones are left out."""
    with os.scandir(folder) as entries:
        entries = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir():
            yield from _files(entry.path, f"{below}{entry.name}/")
        elif entry.is_file():
            yield f"{below}{entry.name}", entry
