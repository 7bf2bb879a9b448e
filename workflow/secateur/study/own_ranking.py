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
    """The table layer, channel, score of a file; without the column `score`, a channel's score is its place.

    A smaller score is removed earlier, as is an earlier row. Raises Refused that names a channel with two rows,
    or with a score that is no number.
    """
    table = tables.read(path, "layer", "channel")
    if "score" not in table:
        table = table.assign(score=np.arange(len(table)))
    keys = table[["layer", "channel"]]
    twice = keys[keys.duplicated()]
    if len(twice):
        raise Refused(f"{path} names {_channel(twice.iloc[0])} twice; give every channel one row")
    # Text among numbers is no number either.
    bad = keys[[not _is_number(score) for score in table["score"]]]
    if len(bad):
        raise Refused(f"{path} has no number as the score of {_channel(bad.iloc[0])}; every channel needs one")
    return table[["layer", "channel", "score"]].astype({"score": float})


def is_order(path: Path | str) -> bool:
    """Whether a file gives an order of removal, and no scores."""
    return "score" not in tables.read(path)


def refuse_foreign(table: pandas.DataFrame, units: pandas.DataFrame, path: Path | str) -> None:
    """Refused unless the channels of a table are those that can be removed; it names the first that is not."""
    given, wanted = (set(zip(t["layer"], t["channel"], strict=True)) for t in (table, units))
    foreign, missing = sorted(given - wanted, key=str), sorted(wanted - given, key=str)
    if foreign:
        layer, channel = foreign[0]
        layers = list(dict.fromkeys(units["layer"]))
        near = "" if layer in layers else nearest(str(layer), layers)
        known = sum(units["layer"] == layer)
        why = f"the layer has {known}" if known else f"no channel of the layer {layer} can be removed{near}"
        raise Refused(
            f"{path} names channel {channel} of layer {layer}, but {why}; {len(foreign)} of its {len(given)} channels "
            "are none that can go"
        )
    if missing:
        layer, channel = missing[0]
        raise Refused(
            f"{path} lacks channel {channel} of layer {layer}; it has {len(given)} of the {len(wanted)} channels that "
            "can be removed, and needs all"
        )


def _channel(row):
    return f"channel {row['channel']} of layer {row['layer']}"


def _is_number(score):
    try:
        return bool(np.isfinite(float(score)))
    except (TypeError, ValueError):
        return False
