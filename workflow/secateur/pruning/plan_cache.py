"""Cache of evaluated plans: each plan is evaluated once, whichever rankings and jobs it belongs to.

Many rankings share plans: all of them that of the dense network, mixed rankings those of the two pure ones at both
ends, a ranking with a floor those of the one without. The result of a plan lies in a small file named by the digest of
its channels, and of the recovery after it, in a folder named by the digest of all else that the result depends on. A
killed job continues from there, and a further recovery evaluates nothing again.
"""

import collections
import logging
import math
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from secateur.artifacts import files, stamps
from secateur.evaluation import measuring


def context(options: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Plain data of all that can change a result: facts of the network and images, and options of the evaluation.

    `auto` is no option of precision: results of another machine in another precision are taken too.
    """
    return facts | {key: options[key] for key in ("precision", "threads", "code", "torch") if key in options}


class Store:
    """The results of one network on the images of one split.

    `context` is plain data: all that can change a result. Results of another context in `folder`, which only this
    split uses, are deleted. `precision` is the one that this process evaluates in; a context without it, of precision
    `auto`, also takes results of machines that evaluate in another. `rows` counts the results read and written,
    {precision: rows}, and `written` those that this process has written.
    """

    def __init__(
        self, folder: Path | str, context: dict[str, Any], labels: np.ndarray, classes: int, precision: str = "float32"
    ) -> None:
        self.folder = Path(folder) / stamps.digest(context)
        self.labels, self.classes = labels, classes
        self.precision, self.rows, self.written = precision, collections.Counter(), 0
        for other in Path(folder).glob("*"):
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)

    def path(self, channels: dict[str, list[int]], recovery: dict[str, Any] | None = None) -> Path:
        """The file of a plan's result; the plan is {layer: [index, ...]}, and `recovery` the stamp of a treatment."""
        plain = {layer: sorted(map(int, indices)) for layer, indices in channels.items() if len(indices)}
        key = [plain, recovery] if recovery else plain
        return self.folder / f"{stamps.digest(key)}.npz"

    def get(
        self, channels: dict[str, list[int]], recovery: dict[str, Any] | None = None
    ) -> tuple[measuring.ByImage, float | None] | None:
        """(Measured, deviation) of a plan after a recovery, or None if it has not been evaluated."""
        path = self.path(channels, recovery)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                right = np.unpackbits(stored["right"], count=len(self.labels)).astype(bool)
                loss, losses = float(stored["loss"]), stored["losses"]
                deviation, precision = float(stored["deviation"]), str(stored["precision"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            # A second evaluation takes some seconds: no reason to stop.
            logging.warning("%s cannot be read (%s); the plan is evaluated again", path, error)
            return None
        self.rows[precision] += 1
        measured = measuring.by_image(measuring.of_correctness(right, loss, self.labels, self.classes), losses)
        if math.isnan(deviation):
            return measured, None
        return measured, deviation

    def put(
        self,
        channels: dict[str, list[int]],
        measured: measuring.ByImage,
        deviation: float | None,
        recovery: dict[str, Any] | None = None,
    ) -> None:
        """Store the result of a plan after a recovery, and the precision that it was evaluated in."""
        self.rows[self.precision] += 1
        self.written += 1
        if deviation is None:
            deviation = np.nan
        with files.replacing(self.path(channels, recovery)) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                right=np.packbits(measured.right),
                loss=measured.loss,
                losses=measured.losses,
                deviation=deviation,
                precision=self.precision,
            )
