"""What can be removed from a model as a whole, and what that saves."""

import dataclasses

import pandas

from secateur import cost, graph


@dataclasses.dataclass(frozen=True)
class Unit:
    """Channels that go together, [(layer, index), ...], and what their removal alone saves."""

    channels: tuple
    parameters: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Units:
    """All units of a model in network order, and why each other layer is protected: {layer: reason}."""

    units: tuple
    protected: dict


def find(model, example):
    """The units of a torch.fx-traceable chain of convolutions; `example` is a batch (N, C, H, W).

    Raises ValueError that names the layer where channels join others.
    """
    links = graph.links(model)
    positions = cost.positions(model, example)
    modules = dict(model.named_modules())
    units = [unit for link in links for unit in _of_link(link, modules, positions)]
    prunable = {link.layer for link in links}
    protected = {
        name: "a linear layer: hidden features and classes are not pruned" for name in positions if name not in prunable
    }
    return Units(tuple(units), protected)


def _of_link(link, modules, positions):
    conv, reader = modules[link.layer], modules[link.reader]
    own = conv.weight[0].numel()
    read = reader.weight[:, 0].numel() * link.copies
    parameters = own + (conv.bias is not None) + 2 * len(link.norms) + read
    macs = own * positions[link.layer] + read * positions[link.reader]
    return [Unit(((link.layer, index),), parameters, macs) for index in range(conv.out_channels)]


def table(units):
    """One row for each channel: unit, layer, channel, and the parameters and macs that its unit saves."""
    rows = [
        (number, layer, index, unit.parameters, unit.macs)
        for number, unit in enumerate(units.units)
        for layer, index in unit.channels
    ]
    return pandas.DataFrame(rows, columns=["unit", "layer", "channel", "parameters", "macs"])
