"""Groups of layers whose units go together, and the order of removal within each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from secateur import ranking as rankings

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class LayerGroup:
    """Layers that share every one of their `units`, which are in the order of their removal.

    Of a chain every layer is a group of its own; layers that a residual stream joins are one.
    """

    name: str  # the first layer, and how many others there are
    layers: tuple[str, ...]  # in network order
    units: tuple[int, ...]


def of_ranking(ranking: pandas.DataFrame) -> list[LayerGroup]:
    """The groups of a ranking table, in the order of the network; units without a score are in none."""
    layers: dict[int, list[str]] = {}
    for unit, layer in zip(ranking["unit"], ranking["layer"], strict=True):
        layers.setdefault(unit, []).append(layer)
    units: dict[tuple[str, ...], list[int]] = {}
    for unit in rankings.order(ranking).tolist():
        units.setdefault(tuple(dict.fromkeys(layers[unit])), []).append(unit)
    groups: list[LayerGroup] = []
    for found in sorted(units, key=lambda found: min(units[found])):
        name = found[0] if len(found) == 1 else f"{found[0]} + {len(found) - 1}"
        alike = sum(group.name.split(" #")[0] == name for group in groups)
        groups.append(LayerGroup(f"{name} #{alike + 1}" if alike else name, found, tuple(units[found])))
    return groups


def nested(groups: Iterable[LayerGroup], counts: Iterable[Mapping[str, int]], ranking: pandas.DataFrame) -> list[int]:
    """An order of all units whose beginnings are allocations, one after the other, {name: count of units removed}.

    Each count is at least the one before. What one allocation adds is removed evenly from all groups, each in its own
    order; behind the last allocation the order of the ranking follows.
    """
    groups, order, taken = list(groups), [], {}
    for allocation in counts:
        added = []
        for group in groups:
            before, after = taken.get(group.name, 0), allocation[group.name]
            for place, unit in enumerate(group.units[before:after]):
                added.append(((2 * place + 1) / (2 * (after - before)), unit))
            taken[group.name] = after
        order += [unit for _, unit in sorted(added)]
    rest = set(order)
    return order + [unit for unit in rankings.order(ranking).tolist() if unit not in rest]
