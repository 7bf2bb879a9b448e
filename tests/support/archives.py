"""Small data sets in the layouts of CIFAR: batches, an archive of them, and the compact archive."""

import hashlib
import io
import itertools
import pickle
import tarfile
import zipfile

import numpy as np
from PIL import Image

KEYS = {"cifar10": ("labels", "label_names"), "cifar100": ("fine_labels", "fine_label_names")}


def small(folder, source="cifar10", per_class=20, classes=4, seed=0):
    """A data set in all three forms inside `folder`, in the layout of CIFAR, and its entry of the catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    total = per_class * classes
    pixels = generator.integers(0, 256, (total, 32, 32, 3), dtype=np.uint8)
    labels = generator.permutation(np.arange(total) % classes)
    parts = {"train": range(0, total * 3 // 4), "test": range(total * 3 // 4, total)}
    names = [f"class{label}" for label in range(classes)]
    label_key, name_key = KEYS[source]
    contents = {"meta": {name_key: names}}
    for part, rows in parts.items():
        planes = pixels[rows].transpose(0, 3, 1, 2).reshape(len(rows), -1)
        contents[part] = {"data": planes, label_key: labels[rows].tolist()}
    batches = folder / f"{source}-batches"
    batches.mkdir()
    for name, content in contents.items():
        (batches / name).write_bytes(pickle.dumps(content, protocol=2))
    with tarfile.open(folder / f"{source}.tar.gz", "w:gz") as archive:
        archive.add(batches, batches.name)
    order = [*itertools.product(["train"], parts["train"]), *itertools.product(["test"], parts["test"])]
    if source == "cifar100":
        # CIFAR-100's compact archive is sorted by class.
        order.sort(key=lambda entry: (entry[0], labels[entry[1]]))
    _write_compact(folder / f"{source}.zip", order, pixels, np.array(names)[labels])
    return _entry(folder, source, name_key)


def _write_compact(path, order, pixels, names):
    """`order` is the (part, row) of every image; `names` has the name of each image's class."""
    lines = [f"{part}\t{part}/{names[row]}/{row}.png" for part, row in order]
    rows = np.array([row for _, row in order])
    with zipfile.ZipFile(path, "w") as archive:
        for start in range(0, len(order), 100):
            strip = np.concatenate(pixels[rows[start : start + 100]])
            buffer = io.BytesIO()
            Image.fromarray(strip).save(buffer, "WEBP", lossless=True, exact=True)
            archive.writestr(f"strips/{start // 100:04d}.webp", buffer.getvalue())
        archive.writestr("index.tsv", "\n".join(lines) + "\n")


def _entry(folder, source, key):
    batches = folder / f"{source}-batches"
    archive, compact = folder / f"{source}.tar.gz", folder / f"{source}.zip"
    layout = {"name": batches.name, "train": ["train"], "test": ["test"], "meta": "meta", "key": key}
    return {
        "source": source,
        "title": source,
        "licence": "none",
        "citation": "nobody",
        "forms": {
            "batches": layout | {"files": {file.name: _sum(file, "md5") for file in batches.iterdir()}},
            "archive": {
                "name": archive.name,
                "url": (folder / "official" / archive.name).as_uri(),
                "checksum": _sum(archive, "md5"),
            },
            "compact": {"name": compact.name, "checksum": _sum(compact, "sha256")},
        },
    }


def _sum(path, algorithm):
    return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"
