"""Encoded images that stay in their files: read, verified and decoded whenever their pixels are wanted."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from secateur import Refused
from secateur.images import arrays
from secateur.study.vocabulary import CHANNELS

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# In any case. Pillow then decides by content (arrays.FORMATS).
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# The length of a file that is one image.
WHOLE = -1


class Encoded(NamedTuple):
    """Images that are not decoded yet: their `records`, whose files are relative to `folder`.

    A record has the name of a file, as the bytes of the file system, the offset and the length of the image in it in
    bytes, and a 64-bit fingerprint of the image's bytes, or 0.
    """

    folder: Path
    records: np.ndarray


def is_image(name: str) -> bool:
    """True if a file's name has the suffix of a format that is read: PNG, JPEG, WebP."""
    return name.lower().endswith(SUFFIXES)


def part(labels: np.ndarray, names: list[str], images: Encoded, data: Mapping[str, Any]) -> arrays.Part:
    """The part of a source whose images lie encoded in files."""

    def pixels(start, stop):
        chosen = images._replace(records=images.records[start:stop])
        return arrays.together(fitted(chosen, data), stop - start, data)

    return arrays.Part(labels, pixels, names, images)


def fitted(images: Encoded, data: Mapping[str, Any], each: Callable[..., Iterator[Any]] = map) -> Iterator[np.ndarray]:
    """Each image in turn, in the color and size of the settings: (size, size, C) uint8; `each` is `map` or a pool's."""

    def one(content, record):
        return arrays.fitted(decoded(content, named(images.folder, record)), data)

    return each(one, contents(images), images.records)


def records(places: Sequence[tuple[str, int, int]]) -> np.ndarray:
    """Records of (file, offset, length), without fingerprints."""
    import numpy as np

    names = [os.fsencode(file) for file, _, _ in places]
    fields = [("file", f"S{max(map(len, names))}"), ("offset", "<i8"), ("length", "<i8"), ("fingerprint", "<u8")]
    table = np.zeros(len(places), dtype=fields)
    table["file"] = names
    table["offset"] = [offset for _, offset, _ in places]
    table["length"] = [length for _, _, length in places]
    return table


def contents(encoded: Encoded) -> Iterator[bytes]:
    """The bytes of each image, in order; a file is opened once for all neighbours that are in it.

    Raises Refused, naming the image, for one that is missing, cut short, or has another fingerprint than its record.
    """
    for name, group in itertools.groupby(encoded.records, key=lambda record: record["file"]):
        path = encoded.folder / os.fsdecode(name)
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(path.open("rb"))
            except OSError as error:
                where = "" if path.is_absolute() else f" from {Path.cwd()}, to which data.folder is relative"
                raise Refused(f"{path} cannot be read{where} ({error.strerror}); put it back, and run again") from error
            for record in group:
                yield _content(file, named(encoded.folder, record), record)


def _content(file, name, record):
    file.seek(record["offset"])
    content = file.read(record["length"])
    if len(content) < record["length"]:
        raise Refused(f"{name} is cut short; replace the file, and run again")
    if record["fingerprint"] not in (0, fingerprint(content)):
        raise Refused(
            f"{name} is not as it was when the images were divided; put the image back, or delete "
            "the study's folder images/ and run again"
        )
    return content


def named(folder: Path, record: np.void) -> str:
    """The place of an image in words."""
    path = folder / os.fsdecode(record["file"])
    return str(path) if record["length"] == WHOLE else f"the image at byte {record['offset']} of {path}"


def fingerprint(content: Any) -> int:
    """A 64-bit fingerprint of an image: of its bytes, or of its pixels, an array without gaps."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())


def decoded(content: bytes, name: str) -> Image.Image:
    """An image of Pillow, rotated as its EXIF says; Refused names one that cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=arrays.FORMATS) as image:
            return ImageOps.exif_transpose(_eight_bits(image))
    # A damaged file makes Pillow raise almost anything: OSError, SyntaxError, ValueError, struct.error, ...
    except Exception as error:
        raise Refused(f"{name} cannot be read as an image ({error}); replace or remove it, and run again") from error


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


class Pixels:
    """Pixels (N, C, H, W) uint8 of encoded images, decoded at each access, which is by a slice or an array of rows.

    `data` are the settings of the images. The pixels are those of a copy; as many threads decode as torch computes by.
    """

    def __init__(self, encoded: Encoded, data: Mapping[str, Any]):
        self.encoded, self.data = encoded, data
        self.shape: tuple[Any, ...] = (len(encoded.records), CHANNELS[data["color"]], data["size"], data["size"])

    def __len__(self) -> int:
        return len(self.encoded.records)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        import torch

        chosen = self.taken(rows).encoded
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return arrays.together(fitted(chosen, self.data, pool.map), len(chosen.records), self.data)

    def taken(self, rows: slice | np.ndarray) -> Pixels:
        """The pixels of some rows, not decoded yet."""
        return Pixels(self.encoded._replace(records=self.encoded.records[rows]), self.data)
