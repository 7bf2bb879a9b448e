"""A finished study beside the claims of a source: what its settings say, and the margin that its scale allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas

from secateur.analysis.wording import percent
from secateur.verdicts import across, phrases

# "Not worse" is within so much, as a fraction of the test images: at the source's own scale, and below it.
MARGIN_FULL, MARGIN_SMALL = 0.003, 0.01
# A source's own scale: its network, whole images, all training images, and a training of at least so many epochs (Liu
# et al., 2019, train networks of this kind for 160).
FULL_SIZE, FULL_EPOCHS = 32, 160


@dataclasses.dataclass(frozen=True)
class Finished:
    """A finished study from its `results` folder; `of_the_source` are the networks of the source, by their names."""

    folder: Path
    settings: dict[str, Any]
    of_the_source: ClassVar[tuple[str, ...]] = ()

    @property
    def network(self) -> str:
        """The network's name as the literature writes it."""
        return across.label_of(self.settings)

    @property
    def size(self) -> int:
        """Height and width of the images, in pixels."""
        return self.settings["data"]["size"]

    @property
    def label(self) -> str:
        """The network, the size of its images, and the name of the study, which tells two of one network apart."""
        return f"{self.network}, {self.size} pixels (`{self.settings['study']}`)"

    @property
    def seeds(self) -> list[int]:
        """The seeds of the trainings."""
        return self.settings["training"]["seeds"]

    @property
    def full_size(self) -> bool:
        """True for a network of the source on whole images, trained for long on all training images."""
        settings = self.settings
        network = settings["model"]["name"] in self.of_the_source and self.size == FULL_SIZE
        training = settings["split"]["train"] is None and settings["training"]["epochs"] >= FULL_EPOCHS
        return network and training and settings["model"]["weights"] is None

    @property
    def terms(self) -> dict[str, str]:
        """The scale of a study, its margin and its intervals: {in words: in words}."""
        return {
            "scale": "that of the source" if self.full_size else "smaller than that of the source",
            "margin of *not worse*": f"{100 * self.margin:.1f} points",
            "intervals": percent(self.settings["figures"]["confidence"]),
        }

    @property
    def training_images(self) -> str:
        """The count of the images that train, in words."""
        count = self.settings["split"]["train"]
        return "all that no other split takes" if count is None else phrases.count(count)

    @property
    def margin(self) -> float:
        """The loss of accuracy, as a fraction, that still counts as not worse."""
        return MARGIN_FULL if self.full_size else MARGIN_SMALL


def side_by_side(facts: Iterable[Mapping[str, str]]) -> pandas.DataFrame:
    """A table of studies, {property: in words} of each: a row for each property. The first one is the heading."""
    return pandas.DataFrame(facts).set_index("").T.reset_index(names="")


def exact(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Rows of networks with their accuracies in exact counts of `images`.

    Tables round, and seeds that differ by the very same count of images would differ by that rounding alone.
    """
    return rows.assign(accuracy=(rows["accuracy"] * rows["images"]).round() / rows["images"])
