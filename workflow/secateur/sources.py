"""The sources of images, each a function from the settings to labels, and to pixels made when asked for.

Importing this module is cheap, because the workflow takes `listing_digest` from it before any job runs.
"""

import hashlib
import io
import json
import logging
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

# By suffix, in any case; and by content, as Pillow names the formats.
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FORMATS = ("PNG", "JPEG", "WEBP")
MODES = {"rgb": "RGB", "gray": "L"}
STRIP = 100


class Part(NamedTuple):
    """The training or the test images of a source.

    `labels` is (images,) int64, `pixels(start, stop)` makes (stop - start, channels, size, size) uint8, and
    `files` names every image, or is None.
    """

    labels: object
    pixels: object
    files: list | None = None


class Source(NamedTuple):
    """A source of images; `test` is None where it has no test images of its own."""

    classes: tuple
    train: Part
    test: Part | None


def opened(data, verified=None):
    """The Source that the settings `data` name; `verified` is the manifest of what was fetched, for CIFAR.

    Raises ValueError for anything that is not as it should be, naming the file or the folder.
    """
    return SOURCES[data["source"]](data, verified)


def _digits(data, verified):
    """The 1,797 digits inside scikit-learn, 8 x 8, values 0 to 16, in their order."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)
    pixels = _from_array(images, slice(None), data)
    return Source(tuple(map(str, digits.target_names)), Part(digits.target.astype(np.int64), pixels), None)


def _cifar10(data, verified):
    """CIFAR-10 in its official order, which every form keeps."""
    classes, parts = _cifar(verified)
    train, test = (Part(labels, _from_array(images, slice(None), data)) for images, labels in parts)
    return Source(classes, train, test)


def _cifar100(data, verified):
    """CIFAR-100 in the order of its pixels' hashes: its forms differ in order, and must give one study."""
    classes, parts = _cifar(verified)
    ordered = ((images, labels, _order(images, labels)) for images, labels in parts)
    train, test = (Part(labels[order], _from_array(images, order, data)) for images, labels, order in ordered)
    return Source(classes, train, test)


def _order(images, labels):
    """Rows sorted by content; the label decides between equal images, so no tie is left to the form."""
    import numpy as np

    keys = [hashlib.sha256(image.tobytes()).digest() for image in images]
    return np.array(sorted(range(len(keys)), key=lambda row: (keys[row], labels[row])), dtype=np.int64)


def _cifar(verified):
    """(classes, ((images (N, 32, 32, 3) uint8, labels) of train, the same of test)) of what was fetched."""
    if not verified:
        raise ValueError("the images were not fetched; make data/<source>/verified.json by rule fetch_images first")
    try:
        manifest = json.loads(Path(verified).read_text(encoding="utf-8"))
        read, layout = READERS[manifest["form"]], manifest["layout"]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{verified} is no manifest of fetched images; delete it and run again") from error
    try:
        return read(manifest["source"], Path(verified).parent, layout)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"the images beside {verified} are no longer what was verified ({error}); delete {verified} and run again"
        ) from error


def _read_batches(source, folder, layout):
    """Read the official files by torchvision's classes, which check them before they unpickle anything."""
    import numpy as np
    from torchvision import datasets

    checksums = {name: checksum.removeprefix("md5:") for name, checksum in layout["files"].items()}
    facts = {
        "base_folder": layout["name"],
        "train_list": [[name, checksums[name]] for name in layout["train"]],
        "test_list": [[name, checksums[name]] for name in layout["test"]],
        "meta": {"filename": layout["meta"], "key": layout["key"], "md5": checksums[layout["meta"]]},
    }
    base = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[source]
    kind = type(base.__name__, (base,), facts)
    train, test = (kind(folder, train=train, download=False) for train in (True, False))
    parts = tuple((part.data, np.array(part.targets, dtype=np.int64)) for part in (train, test))
    return tuple(train.classes), parts


def _read_compact(source, folder, layout):
    """Read lossless strips of images; the sorted names of the classes are the official numbers."""
    import numpy as np

    with zipfile.ZipFile(folder / layout["name"]) as archive:
        paths = [line.split("\t")[1].split("/") for line in archive.read("index.tsv").decode().splitlines()]
        images = _strips(archive, len(paths))
    classes = sorted({path[1] for path in paths})
    number = {name: label for label, name in enumerate(classes)}
    labels = np.array([number[path[1]] for path in paths], dtype=np.int64)
    of_test = np.array([path[0] == "test" for path in paths])
    return tuple(classes), tuple((images[rows], labels[rows]) for rows in (~of_test, of_test))


def _strips(archive, total):
    """All images (total, 32, 32, 3) of an archive of strips."""
    import numpy as np
    from PIL import Image

    images = np.empty((total, 32, 32, 3), dtype=np.uint8)
    for start in range(0, total, STRIP):
        with Image.open(io.BytesIO(archive.read(f"strips/{start // STRIP:04d}.webp")), formats=FORMATS) as strip:
            images[start : start + STRIP] = np.asarray(strip.convert("RGB")).reshape(-1, 32, 32, 3)
    return images


READERS = {"batches": _read_batches, "compact": _read_compact}


def _from_array(images, order, data):
    """The `pixels` function over images that are in memory, (N, height, width) or (N, height, width, 3)."""
    import numpy as np

    rows = np.arange(len(images))[order]

    def pixels(start, stop):
        return _stacked((images[row] for row in rows[start:stop]), stop - start, data)

    def as_they_are(start, stop):
        return np.ascontiguousarray(images[rows[start:stop]].transpose(0, 3, 1, 2))

    fits = images.shape[1:] == (data["size"], data["size"], 3) and data["color"] == "rgb"
    return as_they_are if fits else pixels


def _stacked(images, total, data):
    """Images (arrays, or of Pillow) in the configured color and size: (total, C, size, size) uint8.

    The shape of an image is not kept, each fills the square; transparency is dropped, not painted over.
    """
    import numpy as np
    from PIL import Image

    size, mode = data["size"], MODES[data["color"]]
    stacked = np.empty((total, size, size, len(mode)), dtype=np.uint8)
    for row, image in enumerate(images):
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        resized = image.convert(mode).resize((size, size), Image.Resampling.BILINEAR)
        stacked[row] = np.asarray(resized).reshape(size, size, len(mode))
    return np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))


def _image_folder(data, verified):
    """The user's own images: train/ and test/, each with a folder for every class."""
    folder = Path(data["folder"])
    _refuse_missing(folder)
    train, test = (_listed(folder, part) for part in ("train", "test"))
    classes = tuple(train)
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise ValueError(
            f"{folder}/test has images of class {', '.join(unknown)}, but {folder}/train has no such folder; "
            "add training images of it, or take it out of test/"
        )
    return Source(classes, *(_folder_part(folder, classes, files, data) for files in (train, test)))


def _folder_part(folder, classes, files, data):
    """One part, its classes taking turns: the first so many images of any split then show them all."""
    import numpy as np

    turns = sorted((turn, label) for label, name in enumerate(classes) for turn in range(len(files.get(name, ()))))
    paths = [files[classes[label]][turn] for turn, label in turns]

    def pixels(start, stop):
        return _stacked((_decoded(folder / path) for path in paths[start:stop]), stop - start, data)

    return Part(np.array([label for _, label in turns], dtype=np.int64), pixels, paths)


def _decoded(path):
    """An image of Pillow, upright as its EXIF says; ValueError names a file that cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as image:
            return ImageOps.exif_transpose(_eight_bits(image))
    # A damaged file makes Pillow raise almost anything: OSError, SyntaxError, ValueError, struct.error, ...
    except Exception as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); replace or remove it, and run again") from error


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
        raise ValueError(f"no images found in {folder}: put PNG, JPEG or WebP files into {folder}/<class>/{also}")
    empty = [name for name, paths in found.items() if not paths]
    if empty:
        raise ValueError(
            f"no images found in {', '.join(f'{folder}/{name}' for name in empty)}{also}; "
            "add PNG, JPEG or WebP files, or delete the folder"
        )


def is_image(name):
    """Whether a file's name ends like one of the formats that are read: PNG, JPEG, WebP."""
    return name.lower().endswith(SUFFIXES)


def listing_digest(folder):
    """Sixteen hexadecimal digits that change when an image of an image folder is added, removed or rewritten.

    It looks at names, sizes and times of change, not into the files. Raises ValueError if the folder, or
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
        raise ValueError(
            f"data.folder is {folder}, but there is no such folder; name the one that holds train/ and test/"
        )
    for part in ("train", "test"):
        if not (Path(folder) / part).is_dir():
            raise ValueError(
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


SOURCES = {"digits": _digits, "cifar10": _cifar10, "cifar100": _cifar100, "image_folder": _image_folder}
