"""Sources of images by name, each a function from the settings to labels, and to pixels made on demand.

Importing this module is cheap, because `secateur check` and the workflow do so before any job runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secateur.images import arrays, cifar, image_folder
from secateur.study import classes


def opened(data: Mapping[str, Any], verified: Path | str | None = None) -> arrays.Source:
    """The Source that the settings `data` name; `verified` is the manifest of a download, for CIFAR.

    Of the classes that `data` chooses, where it does. Raises Refused, naming the file or the folder, for one that is
    missing, damaged or of no use.
    """
    return chosen(SOURCES[data["source"]](data, verified), data)


def chosen(source: arrays.Source, data: Mapping[str, Any]) -> arrays.Source:
    """The images of the classes that the settings `data` choose, of all without a choice."""
    if not data.get("classes"):
        return source
    return arrays.of_classes(source, classes.ids(data["classes"], source.classes))


def _digits(data, verified):
    """The 1,797 digits in scikit-learn, 8 x 8 with values 0..16, in their order."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)
    train = arrays.Part(digits.target.astype(np.int64), arrays.from_array(images, slice(None), data))
    return arrays.Source(tuple(map(str, digits.target_names)), train, None)


SOURCES = {
    "digits": _digits,
    "cifar10": cifar.cifar10,
    "cifar100": cifar.cifar100,
    "image_folder": image_folder.image_folder,
}
