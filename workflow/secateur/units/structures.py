"""Structures of groups of coupled channels: the kinds of layers that write and read them, and how many of each.

Units of one structure are isomorphic: their scores are sums over like layers, and can be compared (Fang et al.,
*Isomorphic Pruning for Vision Models*, ECCV 2024).
"""

from collections import Counter

import numpy as np
import pandas
from torch import nn

from secateur.units import coupling

# Between two kinds of layers, and between a kind and its count.
AND, TIMES = " + ", " x "


def table(coupled: coupling.Coupling) -> pandas.DataFrame:
    """A row for each channel that can be listed: layer, channel, and the structure of its group, in words."""
    by_group = _by_group(coupled)
    rows = []
    for layer in coupled.listed:
        for channel, group in enumerate(coupled.outputs[layer].tolist()):
            rows.append((layer, channel, by_group[group]))
    return pandas.DataFrame(rows, columns=["layer", "channel", "structure"])


def _by_group(coupled):
    """{group: the layers that write its channels, and those that read them, in words}."""
    written, read = _layers(coupled, coupled.outputs), _layers(coupled, coupled.inputs)
    words = {}
    for group in range(len(coupled.sizes)):
        words[group] = f"written by {_words(written[group])}, read by {_words(read[group])}"
    return words


def _layers(coupled, ids):
    """[Counter of the kinds of layers whose channels, by `ids`, are of a group], by group."""
    kinds = [Counter() for _ in coupled.sizes]
    for layer, groups in ids.items():
        kind = _kind(coupled.model.get_submodule(layer))
        for group in np.unique(groups).tolist():
            kinds[group][kind] += 1
    return kinds


def _kind(module):
    """A layer's kind: its type, the size of its kernel, and whether its channels are in groups of their own."""
    if isinstance(module, nn.Linear):
        return "linear"
    height, width = module.kernel_size
    if module.groups == 1:
        return f"{height}x{width}"
    return f"{'depthwise' if module.groups == module.in_channels else 'grouped'} {height}x{width}"


def _words(kinds):
    if not kinds:
        return "nothing"
    return AND.join(kind if count == 1 else f"{count}{TIMES}{kind}" for kind, count in sorted(kinds.items()))
