"""Remove channels: which ones at a level, silenced for a while, or taken out for good."""

import bisect
import contextlib
import copy
import math
from collections import Counter

import numpy as np
import torch
from torch import nn

from secateur import fitting, levels, names, units
from secateur import flow as flows
from secateur import ranking as rankings


def plan(ranking, level, keep_at_least=0, round_to=1, budget="units", flow=None):
    """The channels that a level removes, {layer: [index, ...]}, from a ranking table.

    A level is a share of what `budget` says: of the units, rounded to whole ones, or of the network's parameters or
    multiply-adds ("parameters", "macs"), of which the fewest units in the order of the ranking go that save as much;
    these two need the `flow` of the network.

    With `keep_at_least`, a unit that would leave a layer with less than its floor is passed over and the next in the
    ranking goes in its place, so that the level is met all the same. Units that the ranking says stay (its column
    `stays`) are never removed, but count. The floor is a share of each layer's channels
    (below 1, rounded up) or a count. With `round_to`, of each layer that loses channels as many stay as make its width
    a multiple: the last in the ranking that would have gone, so that fewer units go than a level of units asks for;
    levels of parameters and multiply-adds are met all the same. Raises ValueError where a level cannot be met.
    """
    order, last = _by_removal(ranking, keep_at_least)
    if budget == "units":
        count = levels.removed_at(level, len(order))
        if count > last:
            unscored = len(order) - len(rankings.order(ranking))
            why = f"{unscored} have no score and " if unscored else ""
            raise ValueError(
                f"level {level} is {count} of {len(order)} units, but {why}with keep_at_least {keep_at_least} only "
                f"{last} can be removed; lower the level or the floor"
            )
        gone = _rounded(ranking, order[:count], round_to)
    else:
        gone = _for_budget(ranking, order[:last], level, keep_at_least, round_to, budget, flow)
    rows = ranking[ranking["unit"].isin(set(gone))]
    return {layer: sorted(part["channel"]) for layer, part in rows.groupby("layer", sort=False)}


def _for_budget(ranking, order, level, keep_at_least, round_to, budget, flow):
    """The first units of `order`, as few as save the share of a network's parameters or multiply-adds when rounded."""
    first = ranking.drop_duplicates("unit").set_index("unit").loc[order, ["layer", "channel"]].itertuples()
    bundle = {unit: int(flow.outputs[layer][index]) for unit, layer, index in first}
    whole = getattr(flow.counter.left(np.zeros(len(flow.sizes), bool)), budget)

    def saved(count):
        gone = np.zeros(len(flow.sizes), bool)
        gone[[bundle[unit] for unit in _rounded(ranking, order[:count], round_to)]] = True
        return whole - getattr(flow.counter.left(gone), budget)

    wanted = levels.fraction(level) * whole
    if saved(len(order)) < wanted:
        most = math.floor(1000 * saved(len(order)) / whole) / 1000
        kept = [f"keep_at_least {keep_at_least}"] * bool(keep_at_least) + [f"round_to {round_to}"] * (round_to > 1)
        where = f" with {' and '.join(kept)}" if kept else ""
        raise ValueError(
            f"level {level} is {float(wanted):,.0f} of {whole:,} {names.BUDGETS[budget]}, but{where} no more than a "
            f"share of {most:g} can be removed; lower the level{' or the floor' if keep_at_least else ''}"
        )
    return _rounded(ranking, order[: bisect.bisect_left(range(len(order)), wanted, key=saved)], round_to)


def refuse_level(found, level, terms, stay=()):
    """ValueError if a level asks more of the `units.Units` found than can go, or would leave nothing of them.

    `terms` are what `plan` takes beside, once for each floor. Units are taken in network order: a ranking of its own
    may miss or meet a level by a unit more or less. Those whose ids are in `stay` have no score.
    """
    table = units.table(found)
    order = rankings.table([unit for unit in range(len(found.units)) if unit not in {*stay}], table, partial=True)
    for one in terms:
        if units_of(order, plan(order, level, flow=found.flow, **one)) == len(found.units):
            raise ValueError(
                f"levels: {level} removes all {len(found.units)} units of the network, and nothing would be left; "
                "lower it"
            )


def refuse_unexplained(found, level, terms, reading, channels):
    """Ids of the units that consist of `channels` without relevance alone; ValueError if a level needs any of them."""
    stay = units.only_of(found, channels)
    try:
        refuse_level(found, level, terms, stay)
    except ValueError as error:
        raise ValueError(f"readings.{reading}: {error}; or leave the reading out (readings: {{}})") from error
    return stay


def realised(ranking, channels, budget="units", flow=None):
    """The share of the units, parameters or multiply-adds that {layer: [index, ...]} removes."""
    if budget == "units":
        return units_of(ranking, channels) / ranking["unit"].nunique()
    whole, left = (getattr(flow.counter.left(bundles(flow, gone)), budget) for gone in ({}, channels))
    return 1 - left / whole


def units_of(ranking, channels):
    """How many units of a ranking table {layer: [index, ...]} removes."""
    gone = {layer: {*indices} for layer, indices in channels.items()}
    rows = zip(ranking["unit"], ranking["layer"], ranking["channel"], strict=True)
    return len({unit for unit, layer, index in rows if index in gone.get(layer, ())})


def _rounded(ranking, gone, multiple):
    """The units of `gone`, in order, that go when every layer's width stays a multiple, or as it was."""
    if not isinstance(multiple, int) or multiple < 1:
        raise ValueError(f"round_to must be a whole number from 1, got {multiple!r}")
    if multiple == 1:
        return gone
    width, by_unit = Counter(ranking["layer"]), _layers_of_units(ranking)
    lost, of_layer = Counter(), {layer: [] for layer in width}
    for unit in gone:
        lost.update(by_unit[unit])
        for layer in by_unit[unit]:
            of_layer[layer].append(unit)
    place = {unit: at for at, unit in enumerate(gone)}
    while uneven := {layer for layer in width if lost[layer] and (width[layer] - lost[layer]) % multiple}:
        layer = next(layer for layer in width if layer in uneven)
        # Of the units of this layer, one that undoes as little as possible of what is even; then the last ranked.
        back = min(of_layer[layer], key=lambda unit: (len(by_unit[unit].keys() - uneven), -place[unit]))  # noqa: B023
        lost.subtract(by_unit[back])
        for other in by_unit[back]:
            of_layer[other].remove(back)
        del place[back]
    return list(place)


def _layers_of_units(ranking):
    """{unit: {layer: how many of its channels are of this layer}}."""
    by_unit = {}
    for unit, layer in zip(ranking["unit"], ranking["layer"], strict=True):
        by_unit.setdefault(unit, Counter())[layer] += 1
    return by_unit


def _by_removal(ranking, keep_at_least):
    """(units in the order in which they go, how many of them can go); those that stay or a floor keeps come last."""
    order = rankings.order(ranking).tolist()
    unscored = list(dict.fromkeys(ranking.loc[ranking["stays"] == 1, "unit"])) if "stays" in ranking else []
    if not keep_at_least:
        return order + unscored, len(order)
    left = Counter(ranking["layer"])
    least = {layer: levels.floor(keep_at_least, width) for layer, width in left.items()}
    by_unit = _layers_of_units(ranking)
    gone, kept = [], []
    for unit in order:
        if any(left[layer] - count < least[layer] for layer, count in by_unit[unit].items()):
            kept.append(unit)
            continue
        left.subtract(by_unit[unit])
        gone.append(unit)
    return gone + kept + unscored, len(gone)


@contextlib.contextmanager
def masked(model, channels, flow=None):
    """Silence whole units, {layer: [index, ...]}, for the length of the block: whoever reads their channels reads zero.

    Filters and biases are zero, of BatchNorm (each, where a concatenation is normalised again and again) the weights
    and biases of these channels; where a silenced channel still is not zero (behind a sigmoid), so are the weights
    that read it. The model is the same afterwards, whatever happens. `flow` is that of `flow.followed` or of the
    units found, where it is at hand. Raises ValueError for a layer or channel that the model lacks, for a part of a
    unit, and for channels that are protected.
    """
    flow = flow or flows.followed(model)
    gone = bundles(flow, channels)
    kept = []
    try:
        with torch.no_grad():
            for module, index in _silenced(model, flow, gone):
                _silence(module, index, kept)
            for module, index in _unread(model, flow, gone):
                kept.append((module.weight, index, module.weight[index].clone()))
                module.weight[index] = 0
        yield model
    finally:
        with torch.no_grad():
            for parameter, index, values in reversed(kept):
                parameter[index] = values


def _silenced(model, flow, gone):
    """(module, channels) of all that makes or normalises what is gone."""
    for layer, numbers in (*flow.outputs.items(), *flow.norms.items()):
        index = np.flatnonzero(gone[numbers])
        if len(index):
            yield model.get_submodule(layer), torch.as_tensor(index)


def _unread(model, flow, gone):
    """(layer, (all rows, columns)) of what reads a silenced channel that is not zero."""
    for layer, unsilenced in flow.unsilenced.items():
        columns = np.flatnonzero(unsilenced & gone[flow.inputs[layer]])
        grouped = flow.grouped.get(layer)
        if grouped:
            # Groups that go as a whole have no rows left; others lose the i-th channel of each.
            width = len(unsilenced) // grouped.groups
            columns = [] if grouped.whole else np.unique(columns % width)
        if len(columns):
            yield model.get_submodule(layer), (slice(None), torch.as_tensor(columns))


def _silence(module, index, kept):
    for parameter in (module.weight, getattr(module, "bias", None)):
        if parameter is not None:
            kept.append((parameter, index, parameter[index].clone()))
            parameter[index] = 0


def bundles(flow, channels):
    """Which bundles of a flow {layer: [index, ...]} removes, a bool for each.

    Raises ValueError for a layer or channel that the model lacks, for a part of a unit, and for protected channels.
    """
    listed = np.zeros(len(flow.sizes), int)
    for layer, index in channels.items():
        index = _checked(flow, layer, index)
        listed += np.bincount(flow.outputs[layer][index], minlength=len(listed))
    held = (listed > 0) & flow.protected
    if held.any():
        layer, index = _first_of(flow, channels, held)
        reason = flow.reasons[int(flow.outputs[layer][index])]
        raise ValueError(f"channel {index} of layer {layer} cannot be removed: {reason}")
    part = (listed > 0) & (listed < flow.sizes)
    if part.any():
        layer, index = _first_of(flow, channels, part)
        missing = _missing(flow, channels, flow.outputs[layer][index])
        raise ValueError(
            f"channel {index} of layer {layer} goes only together with {missing}: list all of them or none"
        )
    return listed > 0


def _checked(flow, layer, index):
    """The distinct channels of a list, as an array."""
    if layer not in flow.listed:
        raise ValueError(f"the model has no layer {layer!r} with channels of its own to remove")
    found, width = np.unique(np.asarray(index, dtype=int)), len(flow.outputs[layer])
    wrong = found[(found < 0) | (found >= width)]
    if len(wrong):
        raise ValueError(f"the layer {layer} has {width} channels, none with the index {wrong[0]}")
    return found


def _first_of(flow, channels, marked):
    return next((layer, int(i)) for layer, index in channels.items() for i in index if marked[flow.outputs[layer][i]])


def _missing(flow, channels, bundle):
    """The channels of a unit that a list lacks, in words; no more than three by name."""
    lacking = [
        f"channel {index} of layer {layer}"
        for layer in flow.listed
        for index in np.setdiff1d(
            np.flatnonzero(flow.outputs[layer] == bundle), np.asarray(channels.get(layer, []), int)
        )
    ]
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    return ", ".join(lacking[:3]) + more


def removed(model, channels, example, flow=None):
    """A new, smaller model without `channels`, {layer: [index, ...]}; the given one is untouched.

    `example` is a batch (N, C, H, W), on which the new model is run once. It is of the same class; where the forward
    has numbers of channels written into it (padded shortcuts, views, slices), or a branch has nothing left but its
    biases, it is a torch.fx.GraphModule with the same parameter names. Raises ValueError if no path is left from the
    images to the output: such a network answers every image alike. Also as `masked` does.
    """
    flow = flow or flows.followed(model, example)
    gone = bundles(flow, channels)
    after = fitting.After(flow, gone)
    if after.constant:
        empty = ", ".join(collapsed(model, channels) or after.hollow)
        raise ValueError(f"nothing would be left of {empty}; keep at least one channel of each layer")
    smaller = narrowed(model, channels, flow)
    with torch.no_grad():
        smaller.eval()(example[:1])
    return smaller


def load(folder):
    """The smaller model that was exported into a folder, in eval mode; an error names the file and the remedy."""
    # export removes channels, so it cannot be imported before this module is whole.
    from secateur import export

    return export.read(folder)[0]


def collapsed(model, channels):
    """Names of the layers that lose every channel, in network order."""
    return [
        name
        for name, module in model.named_modules()
        if name in channels and len(set(channels[name])) == len(getattr(module, "weight", ()))
    ]


def is_constant(flow, channels):
    """Whether the network without `channels` answers every image alike: no path leads from images to output."""
    return fitting.After(flow, bundles(flow, channels)).constant


def widths(flow, channels):
    """{layer: how many channels are left} of every layer that a list can name."""
    gone = bundles(flow, channels)
    return {layer: int((~gone[flow.outputs[layer]]).sum()) for layer in flow.listed}


def narrowed(model, channels, flow=None):
    """The smaller model of `removed`, not run; where it would answer every image alike, only good for counting."""
    flow = flow or flows.followed(model)
    gone = bundles(flow, channels)
    smaller = _with_smaller_layers(model, flow, gone)
    after = fitting.After(flow, gone)
    return smaller if after.constant else fitting.fitted(after, smaller)


def _with_smaller_layers(model, flow, gone):
    """A copy of a model whose layers have fewer channels."""
    new = {}
    for layer in flow.outputs:
        outputs, inputs = ~gone[flow.outputs[layer]], ~gone[flow.inputs[layer]]
        if not (outputs.all() and inputs.all()):
            module = model.get_submodule(layer)
            new[id(module)] = _sliced(module, outputs, inputs, flow.grouped.get(layer), new)
    for name, numbers in flow.norms.items():
        if gone[numbers].any():
            module = model.get_submodule(name)
            new[id(module)] = _sliced_norm(module, torch.as_tensor(np.flatnonzero(~gone[numbers])))
    for name, numbers in flow.constants.items():
        if gone[numbers].any():
            tensor = _attribute(model, name)
            new[id(tensor)] = _sliced_constant(tensor, ~gone[numbers])
    # deepcopy takes what its memo holds for a module instead of copying it.
    return copy.deepcopy(model, memo=new)


def _sliced(module, outputs, inputs, grouped, new):
    """A layer with the outputs and inputs that are left, a bool for each."""
    columns = inputs
    if grouped:
        width = len(inputs) // grouped.groups
        columns = np.ones(width, bool) if grouped.whole else inputs[:width]
    # A weight that two layers share stays one; memo keys of their own kind cannot meet those of objects.
    key = ("weight", id(module.weight))
    if key not in new:
        weight = _columns(_rows(module.weight.detach(), outputs), columns)
        weight = weight.clone() if weight.data_ptr() == module.weight.data_ptr() else weight
        new[key] = nn.Parameter(weight, module.weight.requires_grad)
    smaller = _copied(module)
    smaller._parameters["weight"] = new[key]
    if module.bias is not None:
        bias = module.bias.detach()[torch.as_tensor(np.flatnonzero(outputs))]
        smaller._parameters["bias"] = nn.Parameter(bias, module.bias.requires_grad)
    if isinstance(module, nn.Conv2d):
        smaller.out_channels, smaller.in_channels = int(outputs.sum()), int(inputs.sum())
        if grouped and grouped.whole:
            smaller.groups = int(inputs.reshape(grouped.groups, -1).any(1).sum())
    else:
        smaller.out_features, smaller.in_features = new[key].shape
    return smaller


def _rows(weight, stay):
    return weight if stay.all() else weight.index_select(0, torch.as_tensor(np.flatnonzero(stay)).to(weight.device))


def _columns(weight, stay):
    """The columns that stay; behind a flatten they lie in runs of one length, which are copied as one."""
    if stay.all():
        return weight
    run = _run(stay)
    kept = np.flatnonzero(stay[::run])
    rows, columns, *kernel = weight.shape
    if not rows or not len(kept):
        return weight.new_empty((rows, len(kept) * run, *kernel))
    # One long list of runs: measured, a third faster than picking along the second dimension.
    every = torch.as_tensor((np.arange(rows)[:, None] * (columns // run) + kept).ravel()).to(weight.device)
    flat = weight.reshape(rows * (columns // run), -1)
    return flat.index_select(0, every).reshape(rows, len(kept) * run, *kernel)


def _run(stay):
    """The longest length that all runs of equal columns are a multiple of."""
    edges = np.flatnonzero(np.diff(stay)) + 1
    return int(np.gcd.reduce([*edges, len(stay)]))


def _copied(module):
    """A module of its own that shares nothing but what it computes with; parameters are replaced afterwards."""
    smaller = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, dict):
            smaller.__dict__[name] = value.copy()
    return smaller


def _sliced_norm(module, index):
    smaller = _copied(module)
    for name in ("num_features", "num_parameters"):
        if hasattr(module, name):
            setattr(smaller, name, len(index))
    for name, parameter in module._parameters.items():
        if parameter is not None:
            smaller._parameters[name] = nn.Parameter(parameter.detach()[index], parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            smaller._buffers[name] = buffer[index] if buffer.dim() else buffer.clone()
    return smaller


def _attribute(model, name):
    module, _, last = name.rpartition(".")
    return getattr(model.get_submodule(module), last)


def _sliced_constant(tensor, stays):
    """A tensor without the elements that went along the one dimension in which it can lose some."""
    kept = tensor.detach()
    for d in range(stays.ndim):
        left = stays.any(tuple(other for other in range(stays.ndim) if other != d))
        if not left.all():
            kept = kept.index_select(d, torch.as_tensor(np.flatnonzero(left)).to(tensor.device))
    return nn.Parameter(kept, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else kept
