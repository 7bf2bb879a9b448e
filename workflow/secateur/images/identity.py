"""The identity of the images of a split: what two studies must share whose accuracies are compared."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import h5py

from secateur.images import store


class Identity(NamedTuple):
    """The images of one split in their order, whatever a study does with them: normalisation and other splits."""

    name: str  # of the data set, in words only
    images: int
    shape: tuple[int, ...]  # channels, height and width
    classes: str  # digest
    labels: str  # digest
    pixels: str  # digest
    copied: bool  # pixels, not the places of files: digests of the two cannot be compared

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits of all but the name."""
        return _digest(repr(self[1:]))

    @property
    def shown(self) -> str:
        """The images in words."""
        size = "x".join(map(str, self.shape))
        return f"{self.images} images {self.name}, {size}, {self.digest}"

    def differs(self, other: Identity) -> str | None:
        """The first thing in which two identities differ, in words; None where they are the same images."""
        for field, words in WORDS.items():
            if getattr(self, field) != getattr(other, field):
                return words
        return None


WORDS = {
    "images": "their count of images",
    "shape": "the size or the channels of their images",
    "classes": "their classes",
    "copied": "where their pixels lie (data.copy), so that nobody can tell whether these are equal",
    "labels": "the labels of their images",
    "pixels": "the pixels of their images, or their order",
}


def of_file(path: Path | str) -> Identity:
    """The identity of the images in one HDF5 file; Refused or FileNotFoundError as by `store.opened`."""
    with store.opened(path) as images, h5py.File(path, "r") as file:
        return Identity(
            images.name,
            len(images),
            tuple(images.pixels.shape[1:]),
            _digest("\n".join(images.classes)),
            hashlib.sha256(images.labels.tobytes()).hexdigest()[:16],
            str(file.attrs["pixels_sha256"]),
            "pixels" in file,
        )


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]
