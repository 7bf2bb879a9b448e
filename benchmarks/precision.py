"""How far relevance in bfloat16 and float32 is from float64: ranks of channels, and the sets that a level removes.

    SECATEUR_DATA=FOLDER python benchmarks/precision.py [--images 200]

FOLDER holds CIFAR-10 and vgg16_bn-cifar10.pt, a trained VGG16 with BatchNorm; the score is the default reading's.
"""

import argparse

import torch
from scipy.stats import spearmanr

import cifar
from secateur import statistics
from secateur.relevance import propagation
from secateur.study import levels

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def score(model, pictures, dtype):
    """The default reading's score of every channel, layer by layer."""
    propagator, sums = propagation.Propagator(model, dtype=dtype), {}
    for part in pictures.split(50):
        for layer, R in propagator(part)[0].items():
            R = R.double()
            batch = [R.sum(0), R.abs().sum(0)]
            sums[layer] = [a + b for a, b in zip(sums[layer], batch, strict=True)] if layer in sums else batch
    maps = {layer: tuple((part / len(pictures)).numpy() for part in parts) for layer, parts in sums.items()}
    return statistics.of_relevance(maps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    model, (pictures, _) = cifar.network(), cifar.shown(arguments.images)
    exact = score(model, pictures, torch.float64)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        found = score(model, pictures, dtype)
        worst = min(
            spearmanr(part["mean_abs"], found.loc[part.index, "mean_abs"])[0] for _, part in exact.groupby("layer")
        )
        whole = spearmanr(exact["mean_abs"], found["mean_abs"])[0]
        print(f"{name:9s} {arguments.images} images: Spearman {whole:.6f} over all, {worst:.6f} in the worst layer")
        orders = [table["mean_abs"].argsort(kind="stable").to_numpy() for table in (exact, found)]
        counts = [levels.removed_at(level, len(exact)) for level in LEVELS]
        shares = [len(set(orders[0][:n]) & set(orders[1][:n])) / n for n in counts]
        print(
            "          overlap of what is removed: "
            + ", ".join(f"{level:.0%} {share:.4f}" for level, share in zip(LEVELS, shares, strict=True))
        )


if __name__ == "__main__":
    main()
