"""Tables of stability: how alike two rankings are, each by one half of the images, as their count grows."""

from pathlib import Path

import pandas

from secateur.artifacts import places, tables

ENDING = ".stability.csv"


def read(path: Path | str) -> pandas.DataFrame:
    """The table of results/{dataset}/{model}/{seed}/statistics/{reading}.stability.csv, with its names."""
    names = {"reading": Path(path).name.removesuffix(ENDING), "seed": places.seed_of(path)}
    return tables.read(path, "images", "spearman").assign(**names)
