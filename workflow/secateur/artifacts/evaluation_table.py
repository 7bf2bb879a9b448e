"""The table of an evaluation: one row for each criterion, recovery, floor and level of one network, and its columns.

Scripts write their rows by `row`, and everything that reads such a table takes the names of its columns from here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas

# The terms and the level by which a ranking is cut, the treatment of the network that is left, and what is measured of
# it. Rows of one recovery are compared with each other: with the dense network, level 0, and with the random control
# after the same treatment.
TERMS = ("budget", "keep_at_least")
CELL = ("criterion", "recovery", *TERMS, "level")
# `units` are counts, `realised` the share of the budget that was removed, `parameters` and `macs` (multiply-adds for
# one image) what is left.
COST = ("units", "realised", "parameters", "macs")
LOSS_AND_ACCURACY = ("loss", "accuracy")
COLUMNS = (*CELL, "images", *COST, *LOSS_AND_ACCURACY, "empty")
# `accuracy.cat` is the accuracy on the images of one class, `removed.conv1` the share of one layer's channels.
OF_CLASS, OF_LAYER = "accuracy.", "removed."


def terms(options: Mapping[str, Any]) -> dict[str, Any]:
    """The columns TERMS of a row, from the terms of a level."""
    return {key: options[key] for key in TERMS}


def row(cell: Mapping[str, Any], network: Any, measured: Any, classes: Iterable[str]) -> dict[str, Any]:
    """One network after removal: {column: value} with those of its cell, what is measured, and accuracy on each class.

    `cell` has the columns CELL, or those of another table. `network` has `units`, `realised`, `cost` and `empty`, the
    names of layers without channels; `measured` has `right`, `loss`, `accuracy` and `by_class`.
    """
    row = {**cell, "images": len(measured.right)}
    row |= {"units": network.units, "realised": network.realised}
    row |= {"parameters": network.cost.parameters, "macs": network.cost.macs}
    row |= {"loss": measured.loss, "accuracy": measured.accuracy, "empty": " ".join(network.empty)}
    for name, accuracy in zip(classes, measured.by_class, strict=True):
        row[f"{OF_CLASS}{name}"] = accuracy
    return row


def of_classes(table: pandas.DataFrame) -> list[str]:
    """The columns with the accuracy on single classes."""
    return [column for column in table if column.startswith(OF_CLASS)]


def of_layers(table: pandas.DataFrame) -> list[str]:
    """The columns with the share of single layers' channels that is removed."""
    return [column for column in table if column.startswith(OF_LAYER)]
