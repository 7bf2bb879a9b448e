"""Groups of coupled channels that each weight of a layer reads."""

import numpy as np

from secateur.units.coupling import Coupling


def read_by(coupled: Coupling, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns) of a layer's weight: the group that each reads, and bools, True where that is its own group.

    A column of a grouped convolution is another channel in each group of rows. What a layer reads of its own group, as
    a depthwise convolution does, is removed with it.
    """
    groups = coupled.grouped[layer].groups if layer in coupled.grouped else 1
    outputs = coupled.outputs[layer]
    read = coupled.inputs[layer].reshape(groups, -1).repeat(len(outputs) // groups, axis=0)
    return read, read == outputs[:, None]
