"""CIFAR-10 and CIFAR-100 as a source: pickled batches, or strips of images."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur import Refused
from secateur.images import arrays

STRIP = 100


def cifar10(data: Mapping[str, Any], verified: Path | str | None) -> arrays.Source:
    """CIFAR-10 in its official order, which every form keeps."""
    classes, parts = _cifar(verified)
    train, test = (arrays.Part(labels, arrays.from_array(images, slice(None), data)) for images, labels in parts)
    return arrays.Source(classes, train, test)


def cifar100(data: Mapping[str, Any], verified: Path | str | None) -> arrays.Source:
    """CIFAR-100 in the order of its pixels' hashes: its forms differ in order, and must give one study."""
    classes, parts = _cifar(verified)
    ordered = ((images, labels, _order(images, labels)) for images, labels in parts)
    train, test = (
        arrays.Part(labels[order], arrays.from_array(images, order, data)) for images, labels, order in ordered
    )
    return arrays.Source(classes, train, test)


def _order(images, labels):
    """Rows sorted by content; the label decides between equal images, so no tie is left to the form."""
    import numpy as np

    keys = [hashlib.sha256(image.tobytes()).digest() for image in images]
    return np.array(sorted(range(len(keys)), key=lambda row: (keys[row], labels[row])), dtype=np.int64)


def _cifar(verified):
    """(classes, ((images (N, 32, 32, 3) uint8, labels) of train, the same of test)) of what was fetched."""
    if not verified:
        raise Refused("the images were not fetched; make data/<source>/verified.json by rule fetch_images first")
    try:
        manifest = json.loads(Path(verified).read_text(encoding="utf-8"))
        read, layout = READERS[manifest["form"]], manifest["layout"]
    except (OSError, KeyError, ValueError) as error:
        raise Refused(f"{verified} is no manifest of fetched images; delete it and run again") from error
    try:
        return read(manifest["source"], Path(verified).parent, layout)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise Refused(
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
        with Image.open(io.BytesIO(archive.read(f"strips/{start // STRIP:04d}.webp")), formats=arrays.FORMATS) as strip:
            images[start : start + STRIP] = np.asarray(strip.convert("RGB")).reshape(-1, 32, 32, 3)
    return images


READERS = {"batches": _read_batches, "compact": _read_compact}
