"""Tables of sensitivity: losses of a network without units of one group of layers, from `pruning.sensitivity`."""

from pathlib import Path

import pandas

from secateur.artifacts import places, tables

COLUMNS: tuple[str, ...] = ("group", "layers", "units", "removed", "parameters", "macs", "images", "loss", "accuracy")
# The group of the row of the network with all units.
WHOLE = "whole network"
# The accuracy that a group may cost: one point.
POINT = 0.01


def read(path: Path | str) -> pandas.DataFrame:
    """The curves of one network, with the share of its units that each group has lost, and the seed of its path."""
    table = tables.read(path, *COLUMNS)
    share = (table["removed"] / table["units"]).where(table["units"] > 0, 0)
    return table.assign(seed=places.seed_of(path), share=share)


def accuracy_of_whole(table: pandas.DataFrame) -> float:
    """The accuracy of the network with all units, a mean over seeds."""
    return float(table.loc[table["group"] == WHOLE, "accuracy"].mean())


def tolerated(table: pandas.DataFrame, whole: float) -> pandas.DataFrame:
    """A row for each group: units, what its last measured step costs, and the share that costs less than a point.

    Accuracies are means over seeds; the share is that of the last step before the first which costs a point or more.
    """
    rows = []
    for group, part in table.groupby("group", sort=False):
        means = part.groupby("share")["accuracy"].mean()
        dear = means.index[means < whole - POINT]
        cheap = [share for share in means.index if not len(dear) or share < dear[0]]
        rows.append(
            {
                "group": group,
                "layers": part["layers"].iloc[0],
                "units": part["units"].iloc[0],
                "share that costs less than a point": max(cheap, default=0.0),
                "accuracy at the last step": means.iloc[-1],
            }
        )
    return pandas.DataFrame(rows)
