"""Sources of images, whose pixels are made on demand, and the conversion of images to uint8 pixels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from secateur.images.encoded import Encoded

FORMATS = ("PNG", "JPEG", "WEBP")
MODES = {"rgb": "RGB", "gray": "L"}


class Part(NamedTuple):
    """The training or the test images of a source.

    `labels` is (images,) int64, `pixels(start, stop)` makes (stop - start, channels, size, size) uint8, `files` has the
    name of every image, or is None, and `encoded` says where the images are that need no copy.
    """

    labels: np.ndarray
    pixels: Callable[[int, int], np.ndarray]
    files: list[str] | None = None
    encoded: Encoded | None = None


class Source(NamedTuple):
    """A source of images; `test` is None if it has no separate test images."""

    classes: tuple[str, ...]
    train: Part
    test: Part | None


def of_classes(source: Source, ids: Collection[int]) -> Source:
    """The images of some classes of a source, by their ids; the classes keep their order, and are counted from 0."""
    chosen = sorted(ids)
    names = tuple(source.classes[name] for name in chosen)
    test = None if source.test is None else _of_classes(source.test, chosen)
    return Source(names, _of_classes(source.train, chosen), test)


def _of_classes(part, chosen):
    import numpy as np

    rows = np.flatnonzero(np.isin(part.labels, chosen))
    files = None if part.files is None else [part.files[row] for row in rows]

    def pixels(start, stop):
        # Neighbours are read at once.
        wanted = rows[start:stop]
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
        return np.concatenate([part.pixels(int(run[0]), int(run[-1]) + 1) for run in runs])

    encoded = part.encoded
    if encoded is not None:
        encoded = encoded._replace(records=encoded.records[rows])
    return Part(np.searchsorted(chosen, part.labels[rows]).astype(np.int64), pixels, files, encoded)


def from_array(
    images: np.ndarray, order: np.ndarray | slice, data: Mapping[str, Any]
) -> Callable[[int, int], np.ndarray]:
    """The `pixels` function of a Part whose images are in memory: (N, height, width) or (N, height, width, 3) uint8."""
    import numpy as np

    rows = np.arange(len(images))[order]

    def converted(start, stop):
        return stacked(images[rows[start:stop]], stop - start, data)

    def unchanged(start, stop):
        return np.ascontiguousarray(images[rows[start:stop]].transpose(0, 3, 1, 2))

    if images.shape[1:] == (data["size"], data["size"], 3) and data["color"] == "rgb":
        return unchanged
    return converted


def stacked(images: Iterable[np.ndarray | Image.Image], total: int, data: Mapping[str, Any]) -> np.ndarray:
    """Images (arrays, or of Pillow) in the color and size of the settings `data`: (total, C, size, size) uint8."""
    return together((fitted(image, data) for image in images), total, data)


def fitted(image: np.ndarray | Image.Image, data: Mapping[str, Any]) -> np.ndarray:
    """One image in the color and size of the settings `data`: (size, size, C) uint8.

    It is stretched to the square, whatever its aspect ratio; an alpha channel is dropped, not blended.
    """
    import numpy as np
    from PIL import Image

    size, mode = data["size"], MODES[data["color"]]
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    resized = image.convert(mode).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(size, size, len(mode))


def together(images: Iterable[np.ndarray], total: int, data: Mapping[str, Any]) -> np.ndarray:
    """One array (total, C, size, size) of `total` images (size, size, C)."""
    import numpy as np

    size = data["size"]
    pixels = np.empty((total, size, size, len(MODES[data["color"]])), dtype=np.uint8)
    for row, image in enumerate(images):
        pixels[row] = image
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
