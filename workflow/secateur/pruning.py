"""Remove channels: which ones at a level, silenced for a while, or taken out for good."""

import contextlib
import copy
from collections import Counter

import numpy as np
import torch
from torch import nn

from secateur import graph, levels


def plan(ranking, level, keep_at_least=0):
    """The channels that a level removes, {layer: [index, ...]}, from a ranking table.

    With `keep_at_least`, a unit that would leave a layer with less than its floor is passed over and the next in the
    ranking goes in its place, so that the level is met all the same. The floor is a share of each layer's channels
    (below 1, rounded up) or a count. Raises ValueError where the floors leave too little to remove.
    """
    order, last = _by_removal(ranking, keep_at_least)
    count = levels.removed_at(level, len(order))
    if count > last:
        raise ValueError(
            f"level {level} is {count} of {len(order)} units, but with keep_at_least {keep_at_least} only {last} can "
            "be removed; lower the level or the floor"
        )
    rows = ranking[ranking["unit"].isin(set(order[:count]))]
    return {layer: sorted(part["channel"]) for layer, part in rows.groupby("layer", sort=False)}


def _by_removal(ranking, keep_at_least):
    """(units in the order in which they go, how many of them can go); those that a floor keeps come last."""
    order = list(dict.fromkeys(ranking["unit"]))
    if not keep_at_least:
        return order, len(order)
    left = Counter(ranking["layer"])
    least = {layer: levels.floor(keep_at_least, width) for layer, width in left.items()}
    by_unit = {}
    for unit, layer in zip(ranking["unit"], ranking["layer"], strict=True):
        by_unit.setdefault(unit, Counter())[layer] += 1
    gone, kept = [], []
    for unit in order:
        if any(left[layer] - count < least[layer] for layer, count in by_unit[unit].items()):
            kept.append(unit)
            continue
        left.subtract(by_unit[unit])
        gone.append(unit)
    return gone + kept, len(gone)


@contextlib.contextmanager
def masked(model, channels, links=None):
    """Silence channels, {layer: [index, ...]}, for the length of the block: filter, bias and BatchNorm are zero.

    The model is the same afterwards, whatever happens. `links` are those of `graph.links`, where they are at hand.
    Raises ValueError for a layer or channel that the model lacks.
    """
    _check(model, channels)
    modules = dict(model.named_modules())
    norms = {link.layer: link.norms for link in links or graph.links(model)}
    kept = []
    try:
        with torch.no_grad():
            for layer, index in channels.items():
                for part in (layer, *norms[layer]):
                    _silence(modules[part], index, kept)
        yield model
    finally:
        with torch.no_grad():
            for parameter, index, values in reversed(kept):
                parameter[index] = values


def _silence(module, index, kept):
    for parameter in (module.weight, module.bias):
        if parameter is not None:
            kept.append((parameter, index, parameter[index].clone()))
            parameter[index] = 0


def removed(model, channels, example):
    """A new, smaller model without `channels`, {layer: [index, ...]}; the given one is untouched.

    `example` is a batch (N, C, H, W), on which the new model is run once. Raises ValueError if a layer would
    become empty: such a network answers every image alike and cannot be run.
    """
    empty = collapsed(model, channels)
    if empty:
        raise ValueError(f"nothing would be left of {', '.join(empty)}; keep at least one channel of each layer")
    smaller = narrowed(model, channels)
    with torch.no_grad():
        smaller.eval()(example[:1])
    return smaller


def collapsed(model, channels):
    """Names of the layers that lose every channel, in network order."""
    _check(model, channels)
    return [
        name
        for name, module in model.named_modules()
        if name in channels and len(set(channels[name])) == module.out_channels
    ]


def narrowed(model, channels, links=None):
    """The smaller model of `removed`, which may hold empty layers: good for counting, not for running."""
    modules = dict(model.named_modules())
    outputs, inputs, norms = {}, {}, {}
    for link in links or graph.links(model):
        gone = channels.get(link.layer, [])
        if len(gone) == 0:
            continue
        kept = np.setdiff1d(np.arange(modules[link.layer].out_channels), gone)
        outputs[link.layer] = torch.as_tensor(kept)
        inputs[link.reader] = torch.as_tensor((kept[:, None] * link.copies + np.arange(link.copies)).ravel())
        norms |= dict.fromkeys(link.norms, outputs[link.layer])
    new = {
        id(modules[name]): _sliced(modules[name], outputs.get(name), inputs.get(name)) for name in {**outputs, **inputs}
    }
    new |= {id(modules[name]): _sliced_norm(modules[name], index) for name, index in norms.items()}
    # deepcopy takes what its memo holds for a module instead of copying it.
    return copy.deepcopy(model, memo=new)


def _sliced(module, outputs, inputs):
    weight = module.weight.detach()
    weight = weight if outputs is None else weight[outputs]
    weight = weight if inputs is None else weight[:, inputs]
    bias = module.bias if module.bias is None or outputs is None else module.bias[outputs]
    new = copy.copy(module)
    new._parameters = {
        "weight": nn.Parameter(weight.clone(), module.weight.requires_grad),
        "bias": None if bias is None else nn.Parameter(bias.detach().clone(), module.bias.requires_grad),
    }
    if isinstance(module, nn.Conv2d):
        new.out_channels, new.in_channels = weight.shape[:2]
    else:
        new.out_features, new.in_features = weight.shape
    return new


def _sliced_norm(module, index):
    new = copy.copy(module)
    new.num_features = len(index)
    new._parameters = {k: None if p is None else nn.Parameter(p.detach()[index]) for k, p in module._parameters.items()}
    new._buffers = {k: b[index] if b is not None and b.dim() else copy.copy(b) for k, b in module._buffers.items()}
    return new


def _check(model, channels):
    modules = dict(model.named_modules())
    for layer, index in channels.items():
        if not isinstance(modules.get(layer), nn.Conv2d):
            raise ValueError(f"the model has no convolution {layer!r} to remove channels from")
        wrong = [i for i in index if not 0 <= i < modules[layer].out_channels]
        if wrong:
            raise ValueError(
                f"the layer {layer} has {modules[layer].out_channels} channels, none with the index {wrong[0]}"
            )
