"""Networks of the zoo as benchmarks measure them: with random weights, but with activations of a trained one's size."""

import random

import torch

from secateur.models import zoo


def settled(name, seed=0, batches=5):
    """A network in eval mode whose BatchNorms have seen some images, so that activations neither die nor explode."""
    torch.manual_seed(seed)
    model = zoo.build(name, 10)
    with torch.no_grad():
        for _ in range(batches):
            model.train()(torch.randn(16, 3, 32, 32))
    return model.eval()


def drawn(found, share):
    """A share of the units at random, one channel of every layer left, as {layer: [index, ...]}."""
    left = {layer: len(bundles) for layer, bundles in found.coupled.outputs.items()}
    channels = {}
    for unit in random.Random(0).sample(found.units, int(share * len(found.units))):
        if all(left[layer] > len(unit.channels) for layer, _ in unit.channels):
            for layer, index in unit.channels:
                left[layer] -= 1
                channels.setdefault(layer, []).append(index)
    return channels
