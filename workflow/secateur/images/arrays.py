"""Labels and pixels of a source, made when asked for, and arrays of any kind as uint8 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MODES = {"rgb": "RGB", "gray": "L"}


class Part(NamedTuple):
    """The training or the test images of a source.

    `labels` is (images,) int64, `pixels(start, stop)` makes (stop - start, channels, size, size) uint8, and
    `files` names every image, or is None.
    """

    labels: np.ndarray
    pixels: Callable[[int, int], np.ndarray]
    files: list[str] | None = None


class Source(NamedTuple):
    """A source of images; `test` is None where it has no test images of its own."""

    classes: tuple[str, ...]
    train: Part
    test: Part | None


def from_array(
    images: np.ndarray, order: np.ndarray | slice, data: Mapping[str, Any]
) -> Callable[[int, int], np.ndarray]:
    """The `pixels` function over images that are in memory, (N, height, width) or (N, height, width, 3)."""
    import numpy as np

    rows = np.arange(len(images))[order]

    def pixels(start, stop):
        return stacked((images[row] for row in rows[start:stop]), stop - start, data)

    def as_they_are(start, stop):
        return np.ascontiguousarray(images[rows[start:stop]].transpose(0, 3, 1, 2))

    fits = images.shape[1:] == (data["size"], data["size"], 3) and data["color"] == "rgb"
    return as_they_are if fits else pixels


def stacked(images: Iterable[np.ndarray | Image.Image], total: int, data: Mapping[str, Any]) -> np.ndarray:
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
