"""Sums over images that a killed job continues from."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from secateur.models import tensor_files

# Between two writes: sums are small, and images are many.
SECONDS = 30


class Sums:
    """{layer: tensor} added up batch by batch, and the count of images.

    `path` is a file beside the final one, `stamp` a digest of all that the sums depend on: those of another stamp are
    not continued. Without a path nothing is written.
    """

    def __init__(self, path: Path | str | None = None, stamp: str | None = None) -> None:
        self.path = Path(path) if path else None
        self.stamp = stamp
        before = tensor_files.resumable(self.path, stamp, "its images are read afresh")
        self.images, self.parts = 0, {}
        if before:
            self.images, self.parts = before["images"], before["parts"]
            logging.info("going on after %d images, from %s", self.images, self.path)
        self.written = time.monotonic()

    def add(self, parts: Mapping[str, torch.Tensor], images: int) -> None:
        """Add the sums of a batch of so many images."""
        for layer, part in parts.items():
            if layer in self.parts:
                part = self.parts[layer].to(part.device) + part
            self.parts[layer] = part
        self.images += images
        if self.path and time.monotonic() - self.written >= SECONDS:
            tensor_files.write(self.path, {"stamp": self.stamp, "images": self.images, "parts": self.parts})
            self.written = time.monotonic()

    def means(self) -> dict[str, np.ndarray]:
        """{layer: numpy array} over the images."""
        return {layer: (part / self.images).cpu().numpy() for layer, part in self.parts.items()}

    def forget(self) -> None:
        """Delete the file, once what came of it is written."""
        if self.path:
            self.path.unlink(missing_ok=True)
