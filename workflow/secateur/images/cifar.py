"""CIFAR-10 and CIFAR-100 as a source: pickled batches, or strips of images."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from secateur import Refused
from secateur.images import arrays

if TYPE_CHECKING:
    import numpy as np

# Images in a strip of the compact archive.
STRIP = 100


class Labelled(NamedTuple):
    """Images (N, 32, 32, 3) uint8 and their labels (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


class Archive(NamedTuple):
    """The names of the classes, and the training and test images."""

    classes: tuple[str, ...]
    train: Labelled
    test: Labelled


def cifar10(data: Mapping[str, Any], verified: Path | str | None) -> arrays.Source:
    """CIFAR-10 in its official order, which every form of it has."""
    archive, everything = _fetched(verified), slice(None)
    train = _part(archive.train, everything, data)
    test = _part(archive.test, everything, data)
    return arrays.Source(archive.classes, train, test)


def cifar100(data: Mapping[str, Any], verified: Path | str | None) -> arrays.Source:
    """CIFAR-100 in the order of its pixels' hashes: its forms differ in order, and must give one study."""
    archive = _fetched(verified)
    train = _part(archive.train, _by_content(archive.train), data)
    test = _part(archive.test, _by_content(archive.test), data)
    return arrays.Source(archive.classes, train, test)


def _part(labelled, order, data):
    return arrays.Part(labelled.labels[order], arrays.from_array(labelled.images, order, data))


def _by_content(labelled):
    """Rows sorted by the hash of the pixels; equal images are sorted by label, so the order depends on no form."""
    import numpy as np

    labels = labelled.labels
    hashes = [hashlib.sha256(image.tobytes()).digest() for image in labelled.images]
    rows = sorted(range(len(hashes)), key=lambda row: (hashes[row], labels[row]))
    return np.array(rows, dtype=np.int64)


def _fetched(verified):
    """The Archive that the manifest `verified` describes."""
    if not verified:
        raise Refused("the images were not fetched; make data/<source>/verified.json by rule fetch_images first")
    try:
        manifest = json.loads(Path(verified).read_text(encoding="utf-8"))
        read, layout = READERS[manifest["form"]], manifest["layout"]
    except (OSError, KeyError, ValueError) as error:
        raise Refused(f"{verified} is not a manifest of fetched images; delete it and run again") from error
    try:
        return read(manifest["source"], Path(verified).parent, layout)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise Refused(
            f"the images beside {verified} are no longer those that were verified ({error}); delete {verified} and "
            "run again"
        ) from error


def _read_batches(source, folder, layout):
    """Read the official files by torchvision's classes, which check them before they unpickle anything."""
    from torchvision import datasets

    checksums = {name: checksum.removeprefix("md5:") for name, checksum in layout["files"].items()}
    facts = {
        "base_folder": layout["name"],
        "train_list": _with_checksums(layout["train"], checksums),
        "test_list": _with_checksums(layout["test"], checksums),
        "meta": {"filename": layout["meta"], "key": layout["key"], "md5": checksums[layout["meta"]]},
    }
    base = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[source]
    dataset = type(base.__name__, (base,), facts)
    train = dataset(folder, train=True, download=False)
    test = dataset(folder, train=False, download=False)
    return Archive(tuple(train.classes), _labelled(train), _labelled(test))


def _with_checksums(names, checksums):
    return [[name, checksums[name]] for name in names]


def _labelled(dataset):
    import numpy as np

    return Labelled(dataset.data, np.array(dataset.targets, dtype=np.int64))


def _read_compact(source, folder, layout):
    """Read lossless strips of images; the class names in alphabetical order have the official labels."""
    import numpy as np

    with zipfile.ZipFile(folder / layout["name"]) as archive:
        lines = archive.read("index.tsv").decode().splitlines()
        images = _strips(archive, len(lines))
    parts, names = [], []
    for line in lines:
        # part/class/file
        path = line.split("\t")[1].split("/")
        parts.append(path[0])
        names.append(path[1])
    classes, labels = np.unique(names, return_inverse=True)
    labels, of_test = labels.astype(np.int64), np.array(parts) == "test"
    train = Labelled(images[~of_test], labels[~of_test])
    test = Labelled(images[of_test], labels[of_test])
    return Archive(tuple(classes.tolist()), train, test)


def _strips(archive, total):
    """All images (total, 32, 32, 3) of an archive of strips."""
    import numpy as np
    from PIL import Image

    images = np.empty((total, 32, 32, 3), dtype=np.uint8)
    for start in range(0, total, STRIP):
        content = io.BytesIO(archive.read(f"strips/{start // STRIP:04d}.webp"))
        with Image.open(content, formats=arrays.FORMATS) as strip:
            images[start : start + STRIP] = np.asarray(strip.convert("RGB")).reshape(-1, 32, 32, 3)
    return images


READERS = {"batches": _read_batches, "compact": _read_compact}
