"""Conservation of relevance at the layers of trained networks, and the explosion of gamma without biases.

    SECATEUR_DATA=FOLDER python benchmarks/conservation.py [--images 1000] [--precision float32]

FOLDER holds CIFAR-10, vgg16_bn-cifar10.pt (a trained VGG16 with BatchNorm) and resnet20-12fca82f.th. The layers are
dominators of the output; relevance is conserved where its sum over a layer is the 1 of the predicted class.
"""

import argparse

import numpy as np
import torch

import cifar
from secateur import statistics
from secateur.evaluation import measuring
from secateur.relevance import propagation

# Largest deviation from 1 that counts as conserved, as in a study's tables.
TOLERANCES = {"float32": 1e-3, "float64": 1e-3, "bfloat16": 5e-2}
CONSERVING = {"vgg16_bn": ("alpha2beta1", "zplus"), "resnet20": ("alpha2beta1",)}


def relevances(model, pictures, rule, bias, dtype):
    """(dominators of the output, {layer: (images, channels, height, width)}) of each batch."""
    propagator = propagation.Propagator(model, rule=rule, bias=bias, dtype=dtype)
    for part in pictures.split(50):
        yield propagator.whole, propagator(part)[0]


def shares(model, pictures, rule, dtype):
    """{layer: share of the relevance (images,)} at the dominators of the output."""
    sums = {}
    for whole, by_layer in relevances(model, pictures, rule, False, dtype):
        for layer in whole:
            sums.setdefault(layer, []).append(by_layer[layer].double().flatten(1).sum(1))
    return {layer: torch.cat(parts).numpy() for layer, parts in sums.items()}


def conserved(name, rule, count, precision):
    """Print the shares of images without conservation, and of those with doubled relevance in every layer."""
    pictures, _ = cifar.shown(count, name)
    by_layer = shares(cifar.network(name), pictures, rule, measuring.PRECISIONS[precision])
    tolerance = TOLERANCES[precision]
    table = statistics.of_conservation(by_layer, tolerance)
    doubled = (np.abs(np.stack(list(by_layer.values())) - 2) <= tolerance).all(0).mean()
    print(
        f"{name}, {rule}, {precision}, {count} images, {len(table)} layer(s): not conserved of "
        f"{100 * table['not_conserved'].min():.1f} to {100 * table['not_conserved'].max():.1f} % of the images, "
        f"doubled in every layer of {100 * doubled:.1f} %; largest difference {100 * table['largest'].max():.3g} %",
        flush=True,
    )


def exploded(count, bias):
    """Print the magnitude of relevance by gamma at the first layer of VGG16-BN."""
    pictures, _ = cifar.shown(count)
    sums, largest = [], 0.0
    for whole, by_layer in relevances(cifar.network(), pictures, "gamma", bias, torch.float32):
        R = by_layer[whole[0]].double().flatten(1).abs()
        sums.append(R.sum(1))
        largest = max(largest, float(R.max()))
    print(
        f"vgg16_bn, gamma, float32, {count} images, first layer, bias: {str(bias).lower()}: sum of absolute values, "
        f"median of the images {float(torch.cat(sums).median()):,.5g}; largest value {largest:,.3g}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--precision", choices=TOLERANCES, default="float32")
    arguments = parser.parse_args()
    for name, asked in CONSERVING.items():
        for rule in asked:
            conserved(name, rule, arguments.images, arguments.precision)
    for bias in (False, True):
        exploded(arguments.images, bias)


if __name__ == "__main__":
    main()
