"""Networks of the zoo with random weights, but with activations of a trained network's magnitude."""

import random

import torch

from secateur.models import zoo


def settled(name, seed=0, batches=5, classes=10, size=32):
    """A network in eval mode with BatchNorm statistics of some images, so activations neither vanish nor explode."""
    torch.manual_seed(seed)
    model = zoo.build(name, classes)
    with torch.no_grad():
        for _ in range(batches):
            model.train()(torch.randn(16, 3, size, size))
    return model.eval()


def drawn(units, share):
    """A share of the units at random, without the last channel of any layer, as {layer: [index, ...]}."""
    left = {layer: len(groups) for layer, groups in units.coupled.outputs.items()}
    channels = {}
    for unit in random.Random(0).sample(units.units, int(share * len(units.units))):
        if min(left[layer] for layer, _ in unit.channels) > len(unit.channels):
            for layer, index in unit.channels:
                left[layer] -= 1
                channels.setdefault(layer, []).append(index)
    return channels
