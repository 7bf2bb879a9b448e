"""Relevance at the input before and after pruning, as one job compares it and a page shows it: a small HDF5 file.

Of every image that was looked at: its `row` in the split and its `label`; of every network, the dense one first, the
`predicted` class and its `probability`, (networks, images); of every pruned network the `cosine` (networks, images)
between its relevance at the input and the dense network's, NaN where one of them is zero everywhere. In `examples` the
images that the page shows, in `patches` parts of images.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from secateur import Refused
from secateur.artifacts import files

ARRAYS = ("row", "label", "predicted", "probability", "cosine", "shown", "pixels", "relevance", "patches")


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """A dense network and smaller ones, over the same images and for the same class of each.

    `about` holds plain data: `criteria` of the smaller networks, their `level`, `constant` and `refused` by criterion,
    the `reading`, `split`, `split_images`, `classes`, `factor`, and for every patch its `channels` entry.
    """

    about: Mapping[str, Any]
    row: np.ndarray  # (images,)
    label: np.ndarray  # (images,)
    predicted: np.ndarray  # (networks, images), the dense one first; -1 where a network was refused
    probability: np.ndarray  # (networks, images), of the predicted class
    cosine: np.ndarray  # (smaller networks, images)
    shown: np.ndarray  # (examples,), places among the images
    pixels: np.ndarray  # (examples, C, h, w) uint8
    relevance: np.ndarray  # (networks, examples, h, w), summed over colours; NaN without relevance
    patches: np.ndarray  # (patches, C, h, w) uint8

    def place(self, criterion: str) -> int:
        """The place of a criterion's network among the smaller ones."""
        return self.about["criteria"].index(criterion)

    def cosines(self, criterion: str) -> np.ndarray:
        """(images,): the cosines of a criterion that are numbers; fewer where relevance is zero everywhere."""
        values = self.cosine[self.place(criterion)]
        return values[np.isfinite(values)]


def write(path: Path | str, comparison: Comparison) -> None:
    """Write a comparison; equal ones give equal files."""
    with files.replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        for name in ARRAYS:
            values = getattr(comparison, name)
            storage = {"compression": "gzip", "shuffle": True} if values.size else {}
            file.create_dataset(name, data=values, track_times=False, **storage)
        file.attrs.update(about=json.dumps(comparison.about, sort_keys=True, default=str), complete=True)


def read(path: Path | str) -> Comparison:
    """Read a comparison; Refused for a file that is none, or was not written to its end."""
    try:
        with h5py.File(path, "r") as file:
            arrays = {name: file[name][()] for name in ARRAYS}
            return Comparison(json.loads(file.attrs["about"]), **arrays)
    except (OSError, KeyError) as error:
        raise Refused(f"{path} is no readable comparison of relevance ({error}); delete it and run again") from error
