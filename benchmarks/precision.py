"""Rankings by relevance in bfloat16 and float32 against float64: rank correlation, and overlap of removed channels.

    SECATEUR_DATA=FOLDER python benchmarks/precision.py [--images 200]

FOLDER holds CIFAR-10 and vgg16_bn-cifar10.pt, a trained VGG16 with BatchNorm; the score is the default reading's.
"""

import argparse

import torch
from scipy.stats import spearmanr

import cifar
from secateur import statistics
from secateur.study import levels

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def scored(model, pictures, dtype):
    """The statistics of all channels by the default reading; its score is `mean_abs`."""
    return statistics.of_relevance(cifar.relevance(model, pictures, dtype))


def correlation(exact, scores):
    """Spearman's rank correlation of two Series of scores."""
    return spearmanr(exact, scores)[0]


def overlap(exact, scores, level):
    """The share of common channels among those that a level removes by either."""
    count = levels.removed_at(level, len(exact))
    first, second = exact.argsort(kind="stable")[:count], scores.argsort(kind="stable")[:count]
    return len(set(first) & set(second)) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    pictures, _ = cifar.shown(arguments.images)
    model = cifar.network()
    exact = scored(model, pictures, torch.float64)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        scores = scored(model, pictures, dtype)["mean_abs"]
        whole, worst = correlation(exact["mean_abs"], scores), 1.0
        for _, layer in exact.groupby("layer"):
            worst = min(worst, correlation(layer["mean_abs"], scores[layer.index]))
        print(f"{name:9s} {arguments.images} images: Spearman {whole:.6f} over all, {worst:.6f} in the worst layer")
        overlaps = ", ".join(f"{level:.0%} {overlap(exact['mean_abs'], scores, level):.4f}" for level in LEVELS)
        print(f"          overlap of the removed channels: {overlaps}")


if __name__ == "__main__":
    main()
