"""Removed, masked and never computed: the three ways that have to be the same."""

import random

import torch
from torch import nn

from secateur.pruning import masking, removal


def drawn(found, share, seed=0, floor=1):
    """Channels of random units, {layer: [index, ...]}, `floor` channels of each layer left."""
    left = {layer: len(bundles) for layer, bundles in found.coupled.outputs.items()}
    order, channels = list(range(len(found.units))), {}
    random.Random(seed).shuffle(order)
    for number in order[: round(share * len(order))]:
        unit = found.units[number].channels
        lost = {layer: sum(one == layer for one, _ in unit) for layer, _ in unit}
        if all(left[layer] - count >= floor for layer, count in lost.items()):
            for layer, index in unit:
                left[layer] -= 1
                channels.setdefault(layer, []).append(index)
    return channels


def never_computed(model, channels, images):
    """The oracle: removed channels are NaN wherever they go, and zero only where a layer reads them."""
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            hooks.append(module.register_forward_pre_hook(lambda _, inputs: (inputs[0].nan_to_num(nan=0.0),)))
        if channels.get(name):
            hooks.append(module.register_forward_hook(spoiling(channels[name])))
    try:
        with torch.no_grad():
            return model(images)
    finally:
        for hook in hooks:
            hook.remove()


def spoiling(index):
    def spoil(module, inputs, output):
        output = output.clone()
        output[(..., list(index)) if isinstance(module, nn.Linear) else (slice(None), list(index))] = torch.nan
        return output

    return spoil


def assert_equal_three_ways(model, found, channels, images):
    with torch.no_grad():
        dense = model(images)
        wanted = never_computed(model, channels, images)
        with masking.masked(model, channels, found.coupled) as silenced:
            masked = silenced(images)
        smaller = removal.removed(model, channels, images, found.coupled)
        removed = smaller(images)
    span = wanted.max() - wanted.min()
    assert not wanted.isnan().any()
    assert ((masked - wanted).abs().max() / span) < 1e-9
    assert ((removed - wanted).abs().max() / span) < 1e-9
    assert torch.equal(model(images), dense)
    return smaller
