"""What can be removed from a model as a whole, and what that saves."""

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
    """Channels that go together, ((layer, index), ...) in network order, and what their removal alone saves.

    They are output channels of convolutions, depthwise ones among them: whatever is computed, or the hidden features
    of linear layers. What else goes with them (BatchNorm, rows of a gate's linear layer, zeros of a padded shortcut)
    has no relevance or filter of its own to be ranked by, but counts in what is saved.
    """

    channels: tuple[tuple[str, int], ...]
    parameters: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Units:
    """All units of a model in network order, and why each other layer is protected: {layer: reason}.

    `coupled` is where their channels lead; whatever removes them again and again should be given it.
    """

    units: tuple[Unit, ...]
    protected: dict[str, str]
    coupled: coupling.Coupling = dataclasses.field(repr=False, compare=False)


def find(model: nn.Module, example: torch.Tensor, residual: str = "units", linear: str = "protected") -> Units:
    """The units of a torch.fx-traceable model; `example` is a batch (N, C, H, W), of which only the shape counts.

    Channels joined by additions prune as `residual="units"`; with "inner" they are protected, and only channels
    inside of residual branches go. Hidden features of linear layers are protected, or units with `linear="units"`;
    classes always stay. Raises Refused if nothing can be removed, with the reasons.
    """
    for name, given, known in (("residual", residual, RESIDUAL), ("linear", linear, LINEAR)):
        if given not in known:
            raise Refused(f"{name} must be one of {', '.join(known)}, got {given!r}")
    coupled = coupling.followed(model, example)
    reasons = _reasons(coupled, residual, linear)
    held = np.zeros(len(coupled.sizes), bool)
    held[list(reasons)] = True
    protected = _protected(coupled, held, reasons)
    layers, indices, bundles = _channels(coupled)
    free = ~held[bundles]
    if not free.any():
        why = "; ".join(f"{_named(layers)}: {reason}" for reason, layers in by_reason(protected).items())
        other = np.count_nonzero(coupled.hidden & ~coupled.protected) if linear == "protected" else 0
        remedy = f"; {other} hidden features of its linear layers can: set linear to units" if other else ""
        raise Refused(
            f"no channel of this {type(model).__name__} can be removed ({why or 'it has no convolution'}){remedy}"
        )
    units = _units(coupled, layers[free], indices[free], bundles[free])
    return Units(units, protected, coupled)


def only_of(units: Units, channels: Mapping[str, Iterable[int]]) -> list[int]:
    """Ids of the units that consist of `channels` alone, {layer: [index, ...]}."""
    listed = {(layer, index) for layer, indices in channels.items() for index in indices}
    return [place for place, unit in enumerate(units.units) if listed.issuperset(unit.channels)]


def by_reason(protected: Mapping[str, str]) -> dict[str, list[str]]:
    """{reason: [layer, ...]} of {layer: reason}."""
    found = {}
    for layer, reason in protected.items():
        found.setdefault(reason, []).append(layer)
    return found


def _named(layers):
    """Layers in words, no more than three by name."""
    return ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")


def _reasons(coupled, residual, linear):
    """{bundle: why it cannot go}."""
    stay = {}
    if residual == "inner":
        why = "its channels are joined with others by an addition, and residual is inner"
        stay |= dict.fromkeys(np.flatnonzero(coupled.added).tolist(), why)
    if linear == "protected":
        why = "its features are those of a linear layer, and linear is protected"
        stay |= dict.fromkeys(np.flatnonzero(coupled.hidden).tolist(), why)
    return stay | coupled.reasons


def _protected(coupled, held, reasons):
    protected = {}
    for layer, bundles in coupled.outputs.items():
        if held[bundles].any():
            kept = int(held[bundles].sum())
            which = "" if kept == len(bundles) else f"{kept} of {len(bundles)} channels: "
            protected[layer] = which + reasons[int(bundles[held[bundles]][0])]
    for name, module in coupled.model.named_modules():
        if isinstance(module, cost.COUNTED) and name not in coupled.outputs:
            protected[name] = "the forward does not call it as a layer, so its channels cannot be followed"
    return protected


def _channels(coupled):
    """(layer number, index, bundle) of every channel that can be listed, in network order: (channels,) each."""
    if not coupled.listed:
        return (np.zeros(0, int),) * 3
    own = [np.flatnonzero(coupled.own(layer)) for layer in coupled.listed]
    layers = np.repeat(np.arange(len(own)), [len(index) for index in own])
    bundles = np.concatenate([coupled.outputs[layer][index] for layer, index in zip(coupled.listed, own, strict=True)])
    return layers, np.concatenate(own), bundles


def _units(coupled, layers, indices, bundles):
    found, first, of_channel = np.unique(bundles, return_index=True, return_inverse=True)
    place = np.empty(len(found), int)
    place[np.argsort(first)] = np.arange(len(found))
    unit = place[of_channel]
    order = np.argsort(unit, kind="stable")
    names = [coupled.listed[layer] for layer in layers[order].tolist()]
    pairs = list(zip(names, indices[order].tolist(), strict=True))
    ends = np.cumsum(np.bincount(unit)).tolist()
    parameters, macs = (saved[found[np.argsort(first)]].tolist() for saved in saved_by_bundle(coupled))
    return tuple(
        Unit(tuple(pairs[start:end]), *saves)
        for start, end, *saves in zip([0, *ends[:-1]], ends, parameters, macs, strict=True)
    )


def saved_by_bundle(coupled: coupling.Coupling) -> tuple[np.ndarray, np.ndarray]:
    """(parameters, multiply-adds) that the removal of each bundle alone saves, (bundles,) each."""
    count = len(coupled.sizes)
    parameters, macs = np.zeros(count, int), np.zeros(count, int)
    for layer, times in coupled.positions.items():
        module = coupled.model.get_submodule(layer)
        gone = np.bincount(coupled.outputs[layer], minlength=count)
        read = np.bincount(coupled.inputs[layer], minlength=count)
        grouped = coupled.grouped.get(layer)
        if grouped:
            # A group's width: groups that go as a whole leave it as it is.
            read = read * 0 if grouped.whole else read // grouped.groups
        rows, columns = module.weight.shape[:2]
        weights = (rows * columns - (rows - gone) * (columns - read)) * module.weight[0, 0].numel()
        parameters += weights + gone * (module.bias is not None)
        macs += weights * times
    for name, bundles in coupled.norms.items():
        kinds = sum(p.dim() > 0 for p in coupled.model.get_submodule(name).parameters())
        parameters += kinds * np.bincount(bundles, minlength=count)
    for name, bundles in coupled.constants.items():
        module, _, last = name.rpartition(".")
        if last in coupled.model.get_submodule(module)._parameters:
            parameters += np.bincount(bundles.ravel(), minlength=count)
    return parameters, macs


def linear_layers(model: nn.Module, table: pandas.DataFrame) -> list[str]:
    """Names of the linear layers in a table of units, in its order: what is read beside convolutions."""
    layers = dict.fromkeys(table["layer"])
    return [layer for layer in layers if isinstance(model.get_submodule(layer), nn.Linear)]


def table(units: Units) -> pandas.DataFrame:
    """One row for each channel: unit, layer, channel, and the parameters and macs that its unit saves."""
    rows = [
        (number, layer, index, unit.parameters, unit.macs)
        for number, unit in enumerate(units.units)
        for layer, index in unit.channels
    ]
    return pandas.DataFrame(rows, columns=["unit", "layer", "channel", "parameters", "macs"])
