"""Units of a model, which can be removed as a whole, and what their removal saves."""

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np
import pandas
import torch
from torch import nn

from secateur import Refused, cost
from secateur.units import coupling

RESIDUAL = ("units", "inner")
LINEAR = ("protected", "units")


@dataclasses.dataclass(frozen=True)
class Unit:
    """Channels that are removed together, ((layer, index), ...) in network order, and what their removal alone saves.

    They are output channels of convolutions, depthwise ones among them: whatever is computed, or the hidden features
    of linear layers. What is removed with them (BatchNorm, rows of a gate's linear layer, zeros of a padded shortcut)
    has no relevance or filter of its own to be ranked by, but counts in what is saved.
    """

    channels: tuple[tuple[str, int], ...]
    parameters: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Units:
    """All units of a model in network order, and why each other layer is protected: {layer: reason}.

    `coupled` says which channels are coupled; whatever removes them again and again should be given it.
    """

    units: tuple[Unit, ...]
    protected: dict[str, str]
    coupled: coupling.Coupling = dataclasses.field(repr=False, compare=False)


def find(model: nn.Module, example: torch.Tensor, residual: str = "units", linear: str = "protected") -> Units:
    """The units of a torch.fx-traceable model; `example` is a batch (N, C, H, W), of which only the shape counts.

    Channels joined by additions prune as `residual="units"`; with "inner" they are protected, and only channels
    inside of residual branches are removed. Hidden features of linear layers are protected, or units with
    `linear="units"`; classes always stay. Raises Refused if nothing can be removed, with the reasons.
    """
    _refuse_unknown("residual", residual, RESIDUAL)
    _refuse_unknown("linear", linear, LINEAR)
    coupled = coupling.followed(model, example)
    reasons = _reasons(coupled, residual, linear)
    held = np.zeros(len(coupled.sizes), bool)
    held[list(reasons)] = True
    protected = _protected(coupled, held, reasons)
    units = _units(coupled, held)
    if not units:
        raise Refused(_nothing_to_remove(coupled, protected, linear))
    return Units(units, protected, coupled)


def _refuse_unknown(name, value, known):
    if value not in known:
        raise Refused(f"{name} must be one of {', '.join(known)}, got {value!r}")


def _nothing_to_remove(coupled, protected, linear):
    """The refusal of a model without units, with the reasons and a remedy."""
    reasons = [f"{_named(layers)}: {reason}" for reason, layers in by_reason(protected).items()]
    why = "; ".join(reasons) or "it has no convolution"
    message = f"no channel of this {type(coupled.model).__name__} can be removed ({why})"
    hidden = np.count_nonzero(coupled.hidden & ~coupled.protected)
    if hidden and linear == "protected":
        message += f"; {hidden} hidden features of its linear layers can: set linear to units"
    return message


def only_of(units: Units, channels: Mapping[str, Iterable[int]]) -> list[int]:
    """Ids of the units that consist of `channels` alone, {layer: [index, ...]}."""
    listed = set()
    for layer, indices in channels.items():
        listed.update((layer, index) for index in indices)
    return [unit_id for unit_id, unit in enumerate(units.units) if listed.issuperset(unit.channels)]


def by_reason(protected: Mapping[str, str]) -> dict[str, list[str]]:
    """{reason: [layer, ...]} of {layer: reason}."""
    layers = {}
    for layer, reason in protected.items():
        layers.setdefault(reason, []).append(layer)
    return layers


def _named(layers):
    """Layers in words, no more than three by name."""
    named = ", ".join(layers[:3])
    if len(layers) > 3:
        named += f" and {len(layers) - 3} more"
    return named


def _reasons(coupled, residual, linear):
    """{group: why it cannot be removed}."""
    reasons = {}
    if residual == "inner":
        why = "its channels are joined with others by an addition, and residual is inner"
        reasons |= dict.fromkeys(np.flatnonzero(coupled.added).tolist(), why)
    if linear == "protected":
        why = "its features are those of a linear layer, and linear is protected"
        reasons |= dict.fromkeys(np.flatnonzero(coupled.hidden).tolist(), why)
    return reasons | coupled.reasons


def _protected(coupled, held, reasons):
    """{layer: why some or all of its channels cannot be removed}."""
    protected = {}
    for layer, groups in coupled.outputs.items():
        of_layer = groups[held[groups]]
        if len(of_layer):
            protected[layer] = reasons[int(of_layer[0])]
        if 0 < len(of_layer) < len(groups):
            protected[layer] = f"{len(of_layer)} of {len(groups)} channels: {protected[layer]}"
    for name, module in coupled.model.named_modules():
        if isinstance(module, cost.COUNTED) and name not in coupled.outputs:
            protected[name] = "the forward does not call it as a layer, so its channels cannot be followed"
    return protected


def _units(coupled, held):
    """The units of all groups that are not held, in the order of their first channels."""
    parameters, macs = (saved.tolist() for saved in saved_by_group(coupled))
    units = []
    for group, channels in _members(coupled, held).items():
        units.append(Unit(tuple(channels), parameters[group], macs[group]))
    return tuple(units)


def _members(coupled, held):
    """{group: [(layer, index), ...]} of the channels that can be listed, without groups that are held."""
    members = {}
    for layer in coupled.listed:
        groups = coupled.outputs[layer]
        free = np.flatnonzero(coupled.own(layer) & ~held[groups])
        for index, group in zip(free.tolist(), groups[free].tolist(), strict=True):
            members.setdefault(group, []).append((layer, index))
    return members


def saved_by_group(coupled: coupling.Coupling) -> tuple[np.ndarray, np.ndarray]:
    """(parameters, multiply-adds) that the removal of each group alone saves, (groups,) each."""
    count = len(coupled.sizes)
    parameters, macs = np.zeros(count, int), np.zeros(count, int)
    for layer, times in coupled.positions.items():
        weights = _weights_saved(coupled, layer)
        has_bias = coupled.model.get_submodule(layer).bias is not None
        parameters += weights + np.bincount(coupled.outputs[layer], minlength=count) * has_bias
        macs += weights * times
    for name, groups in coupled.norms.items():
        parameters += cost.per_channel(coupled.model.get_submodule(name)) * np.bincount(groups, minlength=count)
    for name, groups in coupled.constants.items():
        module, _, last = name.rpartition(".")
        if last in coupled.model.get_submodule(module)._parameters:
            parameters += np.bincount(groups.ravel(), minlength=count)
    return parameters, macs


def _weights_saved(coupled, layer):
    """Weights of a layer that the removal of each group of coupled channels alone saves, (groups,)."""
    weight, grouped, count = coupled.model.get_submodule(layer).weight, coupled.grouped.get(layer), len(coupled.sizes)
    removed_rows = np.bincount(coupled.outputs[layer], minlength=count)
    removed_columns = np.bincount(coupled.inputs[layer], minlength=count)
    if grouped:
        # The width of one of the convolution's own groups: where those are removed as a whole, it stays as it is.
        removed_columns = removed_columns * 0 if grouped.whole else removed_columns // grouped.groups
    rows, columns = weight.shape[:2]
    return (rows * columns - (rows - removed_rows) * (columns - removed_columns)) * weight[0, 0].numel()


def linear_layers(model: nn.Module, table: pandas.DataFrame) -> list[str]:
    """Names of the linear layers in a table of units, in its order: those that are read beside convolutions."""
    layers = dict.fromkeys(table["layer"])
    return [layer for layer in layers if isinstance(model.get_submodule(layer), nn.Linear)]


def table(units: Units) -> pandas.DataFrame:
    """One row for each channel: unit, layer, channel, and the parameters and macs that its unit saves."""
    rows = []
    for unit_id, unit in enumerate(units.units):
        for layer, index in unit.channels:
            rows.append((unit_id, layer, index, unit.parameters, unit.macs))
    return pandas.DataFrame(rows, columns=["unit", "layer", "channel", "parameters", "macs"])
