"""The table of an evaluation: one row for each criterion, floor and level of one network, and its columns.

Scripts write their rows by `row`, and everything that reads such a table takes the names of its columns from here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas

# The terms and the level by which a ranking is cut, and what is measured of the network that is left.
TERMS = ("budget", "keep_at_least")
CELL = ("criterion", *TERMS, "level")
# `units` are counts, `realised` the share of the budget that was removed, `parameters` and `macs` (multiply-adds for
# one image) what is left.
COST = ("units", "realised", "parameters", "macs")
LOSS_AND_ACCURACY = ("loss", "accuracy")
COLUMNS = (*CELL, "images", *COST, *LOSS_AND_ACCURACY, "empty")
# `accuracy.cat` is the accuracy on the images of one class, `removed.conv1` the share of one layer's channels.
OF_CLASS, OF_LAYER = "accuracy.", "removed."


def row(
    criterion: str, terms: Mapping[str, Any], level: float, network: Any, measured: Any, classes: Iterable[str]
) -> dict[str, Any]:
    """One network after removal: {column: value} with COLUMNS and the accuracy on each class.

    `network` has `units`, `realised`, `cost` and `empty`, the names of layers without channels; `measured` has `right`,
    `loss`, `accuracy` and `by_class`.
    """
    cell = {"criterion": criterion, **{key: terms[key] for key in TERMS}, "level": level}
    cell["images"] = len(measured.right)
    cell |= {"units": network.units, "realised": network.realised}
    cell |= {"parameters": network.cost.parameters, "macs": network.cost.macs}
    cell |= {"loss": measured.loss, "accuracy": measured.accuracy, "empty": " ".join(network.empty)}
    for name, accuracy in zip(classes, measured.by_class, strict=True):
        cell[f"{OF_CLASS}{name}"] = accuracy
    return cell


def of_classes(table: pandas.DataFrame) -> list[str]:
    """The columns with the accuracy on single classes."""
    return [column for column in table if column.startswith(OF_CLASS)]


def of_layers(table: pandas.DataFrame) -> list[str]:
    """The columns with the share of single layers' channels that is removed."""
    return [column for column in table if column.startswith(OF_LAYER)]
