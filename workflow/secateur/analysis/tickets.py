"""Tables of tickets beside the dense network: the cells and their references, and the masks of all rounds."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas

from secateur.analysis import sparsity
from secateur.artifacts import tickets_table
from secateur.study.reinitialisations import ALL, ORIGINAL, RANDOM
from secateur.study.sparse import DENSE

PLACES = {one.name: place for place, one in enumerate(ALL)}


def _at(kind):
    """The keys of a kind with the masks of the same round."""
    return lambda keys: (kind, keys[1])


# A kind is compared with the first weights as they were, and with fresh ones, under the same masks.
KINDS = sparsity.Cells(
    columns=tickets_table.CELL,
    dense=(DENSE, 0),
    references={
        DENSE: lambda keys: (DENSE, 0),
        ORIGINAL.name: _at(ORIGINAL.name),
        RANDOM.name: _at(RANDOM.name),
    },
    order=lambda keys: (keys[1], PLACES.get(keys[0], -1)),
    purpose="tickets",
)


def named(place: str, kind: str) -> dict[str, Any]:
    """The columns that name the network of a ticket, from the folders of its files."""
    return {"round": int(place), "kind": kind}


def masks(parts: Iterable[tuple[int, Mapping[str, Any]]]) -> pandas.DataFrame:
    """A row for each layer of each round, with the columns OF_MASKS, from [(seed, manifest), ...] of masks."""
    rows = []
    for seed, manifest in parts:
        cell = {"seed": seed, "round": int(manifest["wildcards"]["round"])}
        for name, left in manifest["left"]:
            layer = name.removesuffix(".weight")
            rows.append(cell | {"sparsity": manifest["options"]["sparsity"], "layer": layer, "left": left})
    return pandas.DataFrame(rows, columns=list(tickets_table.OF_MASKS))
