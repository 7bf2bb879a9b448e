"""The images of a split, read as normalised float batches from the HDF5 file that `writing.py` made."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from secateur import Refused
from secateur.study.vocabulary import nearest

if TYPE_CHECKING:
    import torch

DELETE = "delete it and run again"


@dataclass(frozen=True, eq=False)
class Images:
    """The images of one split, on disk until they are asked for.

    `identity` is a digest of pixels, labels, classes and normalisation.

    `pixels` (N, C, H, W) uint8 is mapped from the file; `labels` is (N,) int64; `mean` and `std` have one
    number for each channel, of pixels in 0..1.
    """

    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    name: str
    split: str
    identity: str

    def __len__(self):
        return len(self.labels)

    def normalised(self, rows: slice | np.ndarray) -> torch.Tensor:
        """The images of a slice or an array of rows as float32 (n, C, H, W), mean and std applied."""
        import torch

        # A copy, because torch takes no arrays that cannot be written to.
        return normalise(torch.from_numpy(np.array(self.pixels[rows])), self.mean, self.std)


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[Images]:
    """The Images of one HDF5 file; Refused says what is wrong with one that is cut short or foreign."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file of images {path}; run the workflow up to prepare_images")
    try:
        with h5py.File(path, "r") as file:
            facts, offset, shape = _facts(file)
    except OSError as error:
        # With an errno it is the system that refuses to read, and not the file that is wrong.
        if error.errno is not None:
            raise
        raise Refused(f"{path} is cut short or no HDF5 file ({error}); {DELETE}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise Refused(f"{path} is no file of images of this workflow: {error.args[0]}; {DELETE}") from error
    yield Images(pixels=np.memmap(path, np.uint8, "r", offset, shape), **facts)


def _facts(file):
    """(everything but the pixels, where in the file the pixels begin, their shape)."""
    pixels = file.get("pixels")
    if not isinstance(pixels, h5py.Dataset) or pixels.ndim != 4 or pixels.dtype != np.uint8:
        raise Refused("it has no dataset `pixels` of four dimensions and uint8")
    offset = pixels.id.get_offset()
    if not file.attrs.get("complete", False) or offset is None:
        raise Refused("it was not written to its end")
    facts = {key: tuple(map(float, file.attrs[key])) for key in ("mean", "std")}
    facts |= {key: str(file.attrs[key]) for key in ("name", "split")}
    facts |= {"labels": file["labels"][:], "classes": tuple(json.loads(file.attrs["classes"]))}
    told = [file.attrs[key] for key in ("split_sha256", "pixels_sha256", "classes")]
    told.append(str(facts["mean"] + facts["std"]))
    facts["identity"] = hashlib.sha256("".join(told).encode() + facts["labels"].tobytes()).hexdigest()[:16]
    _refuse_mismatch(facts, pixels.shape)
    return facts, offset, pixels.shape


def _refuse_mismatch(facts, shape):
    labels = facts["labels"]
    if labels.shape != shape[:1] or not len(labels):
        raise Refused(f"it has {shape[0]} images but {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= len(facts["classes"]):
        raise Refused(
            f"its labels go from {labels.min()} to {labels.max()}, but it has {len(facts['classes'])} classes"
        )
    if not len(facts["mean"]) == len(facts["std"]) == shape[1]:
        raise Refused(
            f"its images have {shape[1]} channels, but its mean has {len(facts['mean'])} numbers "
            f"and its std {len(facts['std'])}"
        )


def chosen(images: Images, classes: Sequence[str | int] | None = None, most: int | None = None) -> np.ndarray:
    """The rows of a split that are of these classes (names, or numbers from 0), the first `most` of them.

    Raises Refused for a class that the images do not have, or that none of them shows.
    """
    labels = range(len(images.classes)) if classes is None else [class_number(images, name) for name in classes]
    rows = np.flatnonzero(np.isin(images.labels, labels))[:most]
    if not len(rows):
        raise Refused(f"none of the {len(images)} {images.split} images is of class {', '.join(map(str, classes))}")
    return rows


def class_number(images: Images, name: str | int, others: Iterable[str] = ()) -> int:
    """The number of a class from its name or number; Refused has the nearest of the classes and of `others`."""
    if isinstance(name, int) and name < len(images.classes):
        return name
    if str(name) not in images.classes:
        known = f"0 to {len(images.classes) - 1}" if isinstance(name, int) else ", ".join(images.classes[:10])
        near = "" if isinstance(name, int) else nearest(name, [*images.classes, *others])
        raise Refused(f"{images.name} has no class {name}{near or f'; known: {known}'}")
    return images.classes.index(str(name))


def shard(count: int, number: int, total: int, size: int) -> tuple[int, int]:
    """(first, last) of part `number` (from 0) of `total` of so many images, cut between batches of `size`.

    An image in a batch of other images may be rounded otherwise, so the batches stay those of an undivided run; with
    fewer batches than parts, some parts are empty.
    """
    batches = -(-count // size)
    first, last = (min(size * (batches * place // total), count) for place in (number, number + 1))
    return first, last


def batches(
    images: Images, size: int, rows: np.ndarray | None = None, start: int = 0, ends: Iterable[int] = ()
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """(place of the first, pixels (n, C, H, W) float32, labels (n,) int64) of up to `size` images at a time.

    `rows` are those of the split, in this order; without them all are meant. The first batch begins at place
    `start` of them, and a batch ends at every place in `ends`.
    """
    import torch

    rows = np.arange(len(images)) if rows is None else rows
    ends = sorted({*(end for end in ends if start < end < len(rows)), len(rows)})
    for begin, end in itertools.pairwise([start, *ends]):
        for first in range(begin, end, size):
            part = rows[first : min(first + size, end)]
            pixels = images.normalised(part)
            _give_back(images.pixels)
            yield first, pixels, torch.from_numpy(images.labels[part])


def _give_back(pixels):
    """Unmap what was read of a mapped file: it stays in the system's cache, but counts as memory of the process."""
    if isinstance(pixels, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        pixels.base.madvise(mmap.MADV_DONTNEED)


def normalise(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(pixels / 255 - mean) / std, channel by channel, as float32; pixels are a tensor (..., C, H, W)."""
    # Torch is imported where it is used: preparing images does without it.
    import torch

    mean, std = (pixels.new_tensor(numbers, dtype=torch.float32).view(-1, 1, 1) for numbers in (mean, std))
    return pixels.to(torch.float32).div(255).sub_(mean).div_(std)
