"""The table of an evaluation: every column that is read is one that is written."""

from types import SimpleNamespace

import numpy as np
import pandas

from secateur.artifacts import evaluation_table


def row():
    network = SimpleNamespace(
        units=3, realised=0.25, cost=SimpleNamespace(parameters=10, macs=20), empty=["conv1", "conv2"]
    )
    measured = SimpleNamespace(right=np.ones(4, bool), loss=0.5, accuracy=0.75, by_class=[1.0, 0.5])
    terms = {"budget": "units", "keep_at_least": 0, "round_to": 1}
    cell = {"criterion": "l1", "recovery": "none", **evaluation_table.terms(terms), "level": 0.3}
    return evaluation_table.row(cell, network, measured, ["cat", "dog"])


def test_a_row_has_the_columns_in_their_order_and_one_for_each_class():
    assert tuple(row()) == (*evaluation_table.COLUMNS, "accuracy.cat", "accuracy.dog")
    assert row() == {
        **{"criterion": "l1", "recovery": "none", "budget": "units", "keep_at_least": 0, "level": 0.3, "images": 4},
        **{"units": 3, "realised": 0.25, "parameters": 10, "macs": 20, "loss": 0.5, "accuracy": 0.75},
        **{"empty": "conv1 conv2", "accuracy.cat": 1.0, "accuracy.dog": 0.5},
    }


def test_columns_of_classes_and_of_layers_are_told_apart():
    table = pandas.DataFrame([row() | {"removed.conv1": 0.5, "removed.0": 1.0}])
    assert evaluation_table.of_classes(table) == ["accuracy.cat", "accuracy.dog"]
    assert evaluation_table.of_layers(table) == ["removed.conv1", "removed.0"]
