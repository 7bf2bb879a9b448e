"""The user's own ranking or scores: a CSV with the columns layer, channel and score, or layer and channel in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from secateur import Refused
from secateur.artifacts import tables
from secateur.study.vocabulary import nearest

if TYPE_CHECKING:
    import pandas


def read(path: Path | str) -> pandas.DataFrame:
    """The table of a file, with the columns layer, channel and score; without scores, rows are in order of removal.

    Channels with small scores are removed first. Raises Refused that names a channel with two rows, or with a score
    that is no finite number.
    """
    table = tables.read(path, "layer", "channel")
    if "score" not in table:
        table = table.assign(score=np.arange(len(table)))
    keys = table[["layer", "channel"]]
    twice = keys[keys.duplicated()]
    if len(twice):
        raise Refused(f"{path} names {_channel(twice.iloc[0])} twice; give every channel one row")
    # A column with text among its numbers has no numeric type, so that every entry is looked at.
    bad = keys[~table["score"].map(_is_number).astype(bool)]
    if len(bad):
        raise Refused(f"{path} has no number as the score of {_channel(bad.iloc[0])}; every channel needs one")
    return table[["layer", "channel", "score"]].astype({"score": float})


def is_order(path: Path | str) -> bool:
    """True if a file gives an order of removal, and no scores."""
    return "score" not in tables.read(path)


def refuse_foreign(table: pandas.DataFrame, units: pandas.DataFrame, path: Path | str) -> None:
    """Refused unless a table has the channels of the table of units; the message names the first that differs."""
    given, wanted = _channels(table), _channels(units)
    foreign, missing = _sorted(given - wanted), _sorted(wanted - given)
    if foreign:
        layer, channel = foreign[0]
        raise Refused(
            f"{path} names channel {channel} of layer {layer}, but {_why_foreign(layer, units)}; {len(foreign)} of its "
            f"{len(given)} channels cannot be removed"
        )
    if missing:
        layer, channel = missing[0]
        raise Refused(
            f"{path} lacks channel {channel} of layer {layer}; it has {len(given)} of the {len(wanted)} channels that "
            "can be removed, and needs all"
        )


def _sorted(channels):
    """Channels by layer and id; ids of a file that are no numbers come last, as text."""
    return sorted(channels, key=lambda pair: (str(pair[0]), isinstance(pair[1], str), pair[1]))


def _channels(table):
    """{(layer, channel)} of all rows."""
    return set(zip(table["layer"], table["channel"], strict=True))


def _why_foreign(layer, units):
    """The reason why a channel of a layer is not in the table of units."""
    layers = list(dict.fromkeys(units["layer"]))
    if layer in layers:
        return f"the layer has {sum(units['layer'] == layer)}"
    return f"no channel of the layer {layer} can be removed{nearest(str(layer), layers)}"


def _channel(row):
    return f"channel {row['channel']} of layer {row['layer']}"


def _is_number(score):
    try:
        return bool(np.isfinite(float(score)))
    except (TypeError, ValueError):
        return False
