"""Images of a split, read as normalised float batches from the HDF5 file that `writing.py` made."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from secateur import Refused
from secateur.images import encoded
from secateur.study.vocabulary import nearest

if TYPE_CHECKING:
    import torch

DELETE = "delete it and run again"
DIMENSIONS = {1: "one dimension", 4: "four dimensions"}


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """The images of one split, read from disk on demand.

    `pixels` (N, C, H, W) uint8 is mapped from the file, or decoded at each access (`encoded.Pixels`); `labels` is (N,)
    int64; `mean` and `std` are per channel, of pixels in 0..1; `name` is the data set's; `identity` is a digest of
    pixels, labels, classes and normalisation.
    """

    pixels: np.ndarray | encoded.Pixels
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

    def taken(self, rows: np.ndarray) -> Images:
        """Some rows of the images, in this order; a row can stand more than once. They are in memory, if decoded."""
        pixels = self.pixels.taken(rows) if isinstance(self.pixels, encoded.Pixels) else self.pixels[rows]
        return dataclasses.replace(self, pixels=pixels, labels=self.labels[rows])


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[Images]:
    """The Images of one HDF5 file; Refused for a truncated file, or one that is no file of images of this workflow."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file of images {path}; run the workflow up to prepare_images")
    try:
        with h5py.File(path, "r") as file:
            facts, pixels = _facts(file)
    except OSError as error:
        # An errno means that the system cannot read the file, not that its content is wrong.
        if error.errno is not None:
            raise
        raise Refused(f"{path} is truncated or not an HDF5 file ({error}); {DELETE}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise Refused(f"{path} is no file of images of this workflow: {error.args[0]}; {DELETE}") from error
    yield Images(pixels=pixels, **facts)


def _facts(file):
    """(fields of Images but for the pixels, the pixels)."""
    pixels = _decoded_later(file) if "encoded" in file else _mapped(file, "pixels", 4, np.dtype(np.uint8))
    facts = {
        "mean": tuple(map(float, file.attrs["mean"])),
        "std": tuple(map(float, file.attrs["std"])),
        "name": str(file.attrs["name"]),
        "split": str(file.attrs["split"]),
        "labels": file["labels"][:],
        "classes": tuple(json.loads(file.attrs["classes"])),
    }
    facts["identity"] = _identity(file.attrs, facts)
    _refuse_mismatch(facts, pixels.shape)
    return facts, pixels


def _mapped(file, name, dimensions, kind=None):
    """A dataset, mapped from its file."""
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != dimensions or kind not in (None, dataset.dtype):
        raise Refused(f"it has no dataset `{name}` of {DIMENSIONS[dimensions]} and {kind or 'of records'}")
    offset = dataset.id.get_offset()
    if not file.attrs.get("complete", False) or offset is None:
        raise Refused("it was not written to its end")
    return np.memmap(file.filename, dataset.dtype, "r", offset, dataset.shape)


def _decoded_later(file):
    """The pixels of images that lie in files of their own."""
    folder = Path(os.fsdecode(file.attrs["folder"]))
    data = {"size": int(file.attrs["size"]), "color": str(file.attrs["color"])}
    return encoded.Pixels(encoded.Encoded(folder, _mapped(file, "encoded", 1)), data)


def _identity(attributes, facts):
    """Sixteen hexadecimal digits of pixels, labels, classes and normalisation."""
    digest = hashlib.sha256()
    for key in ("split_sha256", "pixels_sha256", "classes"):
        digest.update(str(attributes[key]).encode())
    digest.update(str(facts["mean"] + facts["std"]).encode())
    digest.update(facts["labels"].tobytes())
    return digest.hexdigest()[:16]


def _refuse_mismatch(facts, shape):
    labels = facts["labels"]
    if labels.shape != shape[:1] or not len(labels):
        raise Refused(f"it has {shape[0]} images but {len(labels)} labels")
    if labels.min() < 0 or labels.max() >= len(facts["classes"]):
        raise Refused(
            f"its labels range from {labels.min()} to {labels.max()}, but it has {len(facts['classes'])} classes"
        )
    if not len(facts["mean"]) == len(facts["std"]) == shape[1]:
        raise Refused(
            f"its images have {shape[1]} channels, but its mean has {len(facts['mean'])} values "
            f"and its std {len(facts['std'])}"
        )


def content(images: Images) -> np.ndarray:
    """Bytes that are others for other pixels, as uint8 of any shape; pixels in memory are not copied."""
    pixels = images.pixels
    return np.ascontiguousarray(pixels.encoded.records if isinstance(pixels, encoded.Pixels) else pixels).view(np.uint8)


def chosen(images: Images, classes: Sequence[str | int] | None = None, most: int | None = None) -> np.ndarray:
    """The first `most` rows of a split whose images are of these classes (names, or ids from 0).

    Raises Refused for a class that the data set does not have, or if no image is of these classes.
    """
    if classes is None:
        return np.arange(len(images))[:most]
    ids = [class_id(images, name) for name in classes]
    rows = np.flatnonzero(np.isin(images.labels, ids))[:most]
    if not len(rows):
        raise Refused(f"none of the {len(images)} {images.split} images is of class {', '.join(map(str, classes))}")
    return rows


def class_id(images: Images, name: str | int, others: Iterable[str] = ()) -> int:
    """The id of a class, given by name or id; Refused suggests the nearest of the class names and of `others`."""
    if isinstance(name, int) and name < len(images.classes):
        return name
    if str(name) in images.classes:
        return images.classes.index(str(name))
    raise Refused(f"{images.name} has no class {name}{_suggestion(images, name, others)}")


def _suggestion(images, name, others):
    """The nearest class name, or else the known classes, as the end of a message."""
    if isinstance(name, int):
        return f"; known: 0 to {len(images.classes) - 1}"
    near = nearest(name, [*images.classes, *others])
    if near:
        return near
    return f"; known: {', '.join(images.classes[:10])}"


def shard(count: int, index: int, shards: int, size: int) -> tuple[int, int]:
    """(first, last) of shard `index` (from 0) of `shards` over `count` images, cut between batches of `size`.

    An image may be rounded differently in a batch of other images, so the batches are those of a run without shards;
    with fewer batches than shards, some shards are empty.
    """
    batches = -(-count // size)
    first = min(size * (batches * index // shards), count)
    last = min(size * (batches * (index + 1) // shards), count)
    return first, last


def batches(
    images: Images, size: int, rows: np.ndarray | None = None, start: int = 0, ends: Iterable[int] = ()
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """(position of the first image, pixels (n, C, H, W) float32, labels (n,) int64) of batches of up to `size` images.

    `rows` are rows of the split, in this order; by default all. The first batch begins at position `start` of them,
    and a batch ends at every position in `ends`.
    """
    import torch

    if rows is None:
        rows = np.arange(len(images))
    inside = {end for end in ends if start < end < len(rows)}
    for begin, end in itertools.pairwise([start, *sorted(inside), len(rows)]):
        for first in range(begin, end, size):
            part = rows[first : min(first + size, end)]
            pixels = images.normalised(part)
            _unmap(images.pixels)
            yield first, pixels, torch.from_numpy(images.labels[part])


def _unmap(pixels):
    """Release the pages read of a mapped file, which count as memory of the process; the system's cache keeps them."""
    mapped = getattr(pixels, "base", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def normalise(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(pixels / 255 - mean) / std per channel as float32, for pixels (..., C, H, W)."""
    # Torch is imported where it is used: preparing images does without it.
    import torch

    means = pixels.new_tensor(mean, dtype=torch.float32).view(-1, 1, 1)
    deviations = pixels.new_tensor(std, dtype=torch.float32).view(-1, 1, 1)
    return pixels.to(torch.float32).div(255).sub_(means).div_(deviations)
