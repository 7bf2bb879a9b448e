"""What can be removed from a model as a whole, and what that saves."""

import dataclasses

import numpy as np
import pandas

from secateur import cost
from secateur import flow as flows

RESIDUAL = ("units", "inner")


@dataclasses.dataclass(frozen=True)
class Unit:
    """Channels that go together, ((layer, index), ...) in network order, and what their removal alone saves.

    They are output channels of convolutions, depthwise ones among them: whatever is computed. What else goes with
    them (BatchNorm, rows of a gate's linear layer, zeros of a padded shortcut) has no relevance or filter of its own
    to be ranked by, but counts in what is saved.
    """

    channels: tuple
    parameters: int
    macs: int


@dataclasses.dataclass(frozen=True)
class Units:
    """All units of a model in network order, and why each other layer is protected: {layer: reason}.

    `flow` is where their channels lead; whatever removes them again and again should be given it.
    """

    units: tuple
    protected: dict
    flow: flows.Flow = dataclasses.field(repr=False, compare=False)


def find(model, example, residual="units"):
    """The units of a torch.fx-traceable model; `example` is a batch (N, C, H, W), of which only the shape counts.

    Channels joined by additions prune as `residual="units"`; with "inner" they are protected, and only channels
    inside of residual branches go. Raises ValueError if nothing can be removed, with the reasons.
    """
    if residual not in RESIDUAL:
        raise ValueError(f"residual must be one of {', '.join(RESIDUAL)}, got {residual!r}")
    flow = flows.followed(model, example)
    reasons = _reasons(flow, residual)
    held = np.zeros(len(flow.sizes), bool)
    held[list(reasons)] = True
    protected = _protected(flow, held, reasons)
    layers, indices, bundles = _channels(flow)
    free = ~held[bundles]
    if not free.any():
        why = "; ".join(f"{_named(layers)}: {reason}" for reason, layers in by_reason(protected).items())
        raise ValueError(f"no channel of this {type(model).__name__} can be removed ({why or 'it has no convolution'})")
    units = _units(flow, layers[free], indices[free], bundles[free])
    return Units(units, protected, flow)


def by_reason(protected):
    """{reason: [layer, ...]} of {layer: reason}."""
    found = {}
    for layer, reason in protected.items():
        found.setdefault(reason, []).append(layer)
    return found


def _named(layers):
    """Layers in words, no more than three by name."""
    return ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")


def _reasons(flow, residual):
    """{bundle: why it cannot go}."""
    if residual == "units":
        return flow.reasons
    return flow.reasons | {
        bundle: flow.reasons.get(bundle, "its channels are joined with others by an addition, and residual is inner")
        for bundle in np.flatnonzero(flow.added).tolist()
    }


def _protected(flow, held, reasons):
    protected = {}
    for layer, bundles in flow.outputs.items():
        if layer not in flow.convolutions:
            # A gate's rows go with the channels that it multiplies.
            if held[bundles].any() or not flow.sizes[bundles].all():
                protected[layer] = "a linear layer: hidden features and classes are not pruned"
        elif held[bundles].any():
            kept = int(held[bundles].sum())
            which = "" if kept == len(bundles) else f"{kept} of {len(bundles)} channels: "
            protected[layer] = which + reasons[int(bundles[held[bundles]][0])]
    for name, module in flow.model.named_modules():
        if isinstance(module, cost.COUNTED) and name not in flow.outputs:
            protected[name] = "the forward does not call it as a layer, so its channels cannot be followed"
    return protected


def _channels(flow):
    """(layer number, index, bundle) of every channel of a convolution, in network order: (channels,) each."""
    widths = [len(flow.outputs[layer]) for layer in flow.convolutions]
    if not widths:
        return (np.zeros(0, int),) * 3
    layers = np.repeat(np.arange(len(widths)), widths)
    indices = np.concatenate([np.arange(width) for width in widths])
    return layers, indices, np.concatenate([flow.outputs[layer] for layer in flow.convolutions])


def _units(flow, layers, indices, bundles):
    found, first, of_channel = np.unique(bundles, return_index=True, return_inverse=True)
    place = np.empty(len(found), int)
    place[np.argsort(first)] = np.arange(len(found))
    unit = place[of_channel]
    order = np.argsort(unit, kind="stable")
    names = [flow.convolutions[layer] for layer in layers[order].tolist()]
    pairs = list(zip(names, indices[order].tolist(), strict=True))
    ends = np.cumsum(np.bincount(unit)).tolist()
    parameters, macs = (saved[found[np.argsort(first)]].tolist() for saved in saved_by_bundle(flow))
    return tuple(
        Unit(tuple(pairs[start:end]), *saves)
        for start, end, *saves in zip([0, *ends[:-1]], ends, parameters, macs, strict=True)
    )


def saved_by_bundle(flow):
    """(parameters, multiply-adds) that the removal of each bundle alone saves, (bundles,) each."""
    count = len(flow.sizes)
    parameters, macs = np.zeros(count, int), np.zeros(count, int)
    for layer, times in flow.positions.items():
        module = flow.model.get_submodule(layer)
        gone = np.bincount(flow.outputs[layer], minlength=count)
        read = np.bincount(flow.inputs[layer], minlength=count)
        grouped = flow.grouped.get(layer)
        if grouped:
            # A group's width: groups that go as a whole leave it as it is.
            read = read * 0 if grouped.whole else read // grouped.groups
        rows, columns = module.weight.shape[:2]
        weights = (rows * columns - (rows - gone) * (columns - read)) * module.weight[0, 0].numel()
        parameters += weights + gone * (module.bias is not None)
        macs += weights * times
    for name, bundles in flow.norms.items():
        kinds = sum(p.dim() > 0 for p in flow.model.get_submodule(name).parameters())
        parameters += kinds * np.bincount(bundles, minlength=count)
    for name, bundles in flow.constants.items():
        module, _, last = name.rpartition(".")
        if last in flow.model.get_submodule(module)._parameters:
            parameters += np.bincount(bundles.ravel(), minlength=count)
    return parameters, macs


def table(units):
    """One row for each channel: unit, layer, channel, and the parameters and macs that its unit saves."""
    rows = [
        (number, layer, index, unit.parameters, unit.macs)
        for number, unit in enumerate(units.units)
        for layer, index in unit.channels
    ]
    return pandas.DataFrame(rows, columns=["unit", "layer", "channel", "parameters", "macs"])
