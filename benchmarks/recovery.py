"""The cost of a reconstruction, beyond the dense network's pass, in plain forward passes of the calibration images.

    python benchmarks/recovery.py [--networks resnet56 vgg16_bn] [--images 500] [--pairs 5]

Random images of 32 x 32 pixels, one thread, float32; half of the units of every layer leave by L2. Each reconstruction
is timed beside the dense network's forward pass of the same images, in CPU time: medians. The dense network's answers,
which all plans share, stand in a row of their own.
"""

import argparse
import statistics

import torch

import networks
from secateur import ranking
from secateur.criteria import from_weights
from secateur.pruning import dense_answers, groups, plans, reconstruction, removal
from secateur.units import coupling, finding
from sparsity import header, processor, row, spent

# The most that a plan may cost, in forward passes of its images; the pass of all plans has no target.
TARGETS = {"channels": 3, "patches": 10}


@torch.no_grad()
def passed(model, images):
    for _, block in dense_answers.blocks(images):
        model(block)


def table(name, count, pairs):
    model = networks.settled(name)
    images = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    coupled = coupling.followed(model, images[:1])
    units = finding.table(finding.find(model, images[:1]))
    by_layer = from_weights.of_weights(model, "l2", list(dict.fromkeys(units["layer"])))
    scores = units.assign(
        score=[by_layer[layer][index] for layer, index in zip(units["layer"], units["channel"], strict=True)]
    )
    order = ranking.table(ranking.of_scores(scores, units, scope="layer"), units)
    channels = plans.plan(order, 0.5, coupled=coupled)
    removed = groups.removed_by(coupled, channels)
    for fit, target in TARGETS.items():
        dense = reconstruction.Dense(coupled, images, fit)
        plan, shared = [], []
        for _ in range(pairs):
            smaller = removal.removed(model, channels, images[:1], coupled)
            forward = spent(lambda: passed(model, images))
            refitted = spent(
                lambda smaller=smaller, dense=dense: reconstruction.refit(smaller, dense, removed, "online")
            )
            answered = spent(lambda fit=fit: reconstruction.Dense(coupled, images, fit))
            plan.append(refitted / forward)
            shared.append(answered / forward)
        row(name, fit, target, statistics.median(plan), f"and {statistics.median(shared):.2f} for all plans")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resnet56", "vgg16_bn"])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{processor()}, torch {torch.__version__}; {arguments.images} images, {arguments.pairs} pairs")
    header()
    for name in arguments.networks:
        table(name, arguments.images, arguments.pairs)


if __name__ == "__main__":
    main()
