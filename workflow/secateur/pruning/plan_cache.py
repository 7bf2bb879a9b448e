"""Plans that were evaluated already: none is evaluated twice, by whichever ranking or job it comes.

Many rankings share plans: all of them the dense network, mixed lists the pure ones at both ends, a ranking with a
floor the one without. What a plan measured lies in a small file named by the digest of its channels, in a folder
named by the digest of all else that the result depends on. A killed job goes on from there.
"""

import collections
import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from secateur.artifacts import files, stamps
from secateur.evaluation import measuring


class Store:
    """The results of one network on the images of one split.

    `context` is plain data: whatever changes a result. Results of another context in `folder`, which only this
    split uses, are deleted. `precision` is what this process evaluates in; a context without it, of precision `auto`,
    also takes what machines of another measured. `rows` counts what was given and kept, {precision: rows}.
    """

    def __init__(
        self, folder: Path | str, context: dict[str, Any], labels: np.ndarray, classes: int, precision: str = "float32"
    ) -> None:
        self.folder = Path(folder) / stamps.digest(context)
        self.labels, self.classes = labels, classes
        self.precision, self.rows = precision, collections.Counter()
        for other in Path(folder).glob("*"):
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)

    def path(self, channels: dict[str, list[int]]) -> Path:
        """Where the result of a plan, {layer: [index, ...]}, lies."""
        plain = {layer: sorted(map(int, index)) for layer, index in channels.items() if len(index)}
        return self.folder / f"{stamps.digest(plain)}.npz"

    def get(self, channels: dict[str, list[int]]) -> tuple[measuring.ByImage, float | None] | None:
        """(Measured, deviation) of a plan, or None if it has not been evaluated."""
        path = self.path(channels)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                right = np.unpackbits(kept["right"], count=len(self.labels)).astype(bool)
                loss, losses, deviation = float(kept["loss"]), kept["losses"], float(kept["deviation"])
                precision = str(kept["precision"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            # What is lost is some seconds of work: no reason to stop.
            logging.warning("%s cannot be read (%s); the plan is evaluated again", path, error)
            return None
        self.rows[precision] += 1
        measured = measuring.by_image(measuring.of_bits(right, loss, self.labels, self.classes), losses)
        return measured, None if np.isnan(deviation) else deviation

    def put(self, channels: dict[str, list[int]], measured: measuring.ByImage, deviation: float | None) -> None:
        """Keep what a plan measured, and in which precision."""
        self.rows[self.precision] += 1
        with files.replacing(self.path(channels)) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                right=np.packbits(measured.right),
                loss=measured.loss,
                losses=measured.losses,
                deviation=np.nan if deviation is None else deviation,
                precision=self.precision,
            )
