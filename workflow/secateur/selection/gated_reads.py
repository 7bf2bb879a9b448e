"""Places at which gates are read: the columns of the weights that belong to gated units, for every layer with some."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from secateur import Refused
from secateur.units import readers
from secateur.units.coupling import Coupling
from secateur.units.finding import Units


@dataclasses.dataclass(frozen=True)
class Reads:
    """The gates that one layer reads.

    `index` (rows or 1, columns) points, for every weight's row and column, into the gates of the layers `sources` in
    turn; their count stands for a gate that is always open.
    """

    sources: tuple[str, ...]
    index: np.ndarray


def of(units: Units, by_layer: Mapping[str, Sequence[int]], gated: Sequence[str]) -> dict[str, Reads]:
    """{layer: its Reads} of all layers that read the units of the layers `gated`; `by_layer` is {layer: unit ids}."""
    coupled = units.coupled
    widths = np.array([len(by_layer[layer]) for layer in gated], int)
    first_slots = np.cumsum(widths) - widths
    open_slot = int(widths.sum())
    slots = _slots(units, [unit for layer in gated for unit in by_layer[layer]])
    reads = {}
    for layer in coupled.inputs:
        index = _index(coupled, layer, slots, open_slot)
        owners = np.unique(np.searchsorted(first_slots, index[index < open_slot], side="right") - 1)
        if len(owners):
            sources = tuple(gated[int(owner)] for owner in owners)
            reads[layer] = Reads(sources, _renumbered(index, owners, first_slots, widths, open_slot))
    return reads


def _slots(units, gated):
    """(groups,) the place of each group among the gated units; their count for all other groups."""
    slots = np.full(len(units.coupled.sizes), len(gated))
    for place, unit in enumerate(gated):
        layer, index = units.units[unit].channels[0]
        slots[units.coupled.outputs[layer][index]] = place
    return slots


def _index(coupled, layer, slots, open_slot):
    """(rows or 1, columns) of a layer's weight: the slot of the gate of each.

    A unit that is read by its own channels, as in a depthwise convolution, is gated where others read it: a second gate
    on the same path would take the gradient from both.
    """
    by_row, own = readers.read_by(coupled, layer)
    index = np.where(own, open_slot, slots[by_row])
    if layer not in coupled.grouped and not own.any():
        return index[:1]
    return index


def _renumbered(index, owners, first_slots, widths, open_slot):
    """Slots among all gates as slots among those of the owners alone."""
    places = np.full(open_slot + 1, widths[owners].sum())
    place = 0
    for owner in owners:
        places[first_slots[owner] : first_slots[owner] + widths[owner]] = np.arange(place, place + widths[owner])
        place += widths[owner]
    return places[index]


def refuse_unseen(units: Units) -> None:
    """Refused for a layer whose weights the forward takes without calling the layer: gates would not reach them."""
    coupled: Coupling = units.coupled
    called, taken = set(), set()
    for node in coupled.graph.graph.nodes:
        if node.op == "call_module":
            called.add(node.target)
        if node.op == "get_attr":
            taken.add(node.target.rpartition(".")[0])
    for layer in coupled.outputs:
        if layer not in called or layer in taken:
            raise Refused(
                f"the forward takes the weights of {layer} without calling the layer, so its inputs cannot be gated; "
                "call the layer as a module"
            )
