"""Three forms of pruning that must agree: channels removed, masked, and never computed."""

import random
from collections import Counter

import torch
from torch import nn

from secateur.pruning import masking, removal


def drawn(units, share, seed=0, floor=1):
    """Channels of random units, {layer: [index, ...]}, which leave at least `floor` channels of each layer."""
    left = Counter({layer: len(groups) for layer, groups in units.coupled.outputs.items()})
    order, channels = list(range(len(units.units))), {}
    random.Random(seed).shuffle(order)
    for place in order[: round(share * len(order))]:
        unit = units.units[place].channels
        lost = Counter(layer for layer, _ in unit)
        if all(left[layer] - count >= floor for layer, count in lost.items()):
            left.subtract(lost)
            for layer, index in unit:
                channels.setdefault(layer, []).append(index)
    return channels


def never_computed(model, channels, images):
    """The oracle: removed channels are NaN in every operation, and zero only as inputs of a layer."""
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
        if isinstance(module, nn.Linear):
            output[..., list(index)] = torch.nan
        else:
            output[:, list(index)] = torch.nan
        return output

    return spoil


def assert_equal_three_ways(model, units, channels, images):
    with torch.no_grad():
        dense = model(images)
        expected = never_computed(model, channels, images)
        with masking.masked(model, channels, units.coupled) as network:
            masked = network(images)
        smaller = removal.removed(model, channels, images, units.coupled)
        removed = smaller(images)
    span = expected.max() - expected.min()
    assert not expected.isnan().any()
    assert ((masked - expected).abs().max() / span) < 1e-9
    assert ((removed - expected).abs().max() / span) < 1e-9
    assert torch.equal(model(images), dense)
    return smaller
