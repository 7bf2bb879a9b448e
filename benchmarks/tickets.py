"""The cost of tickets: a step under masks over a plain one in CPU time, and the time of a re-initialisation.

    python benchmarks/tickets.py [--networks resnet20 resnet110 vgg16_bn] [--pairs 30]

Batches of 128 random images of 32 x 32 pixels, one thread, float32, masks of 90 % zeros. A step under masks is measured
by 1 plus the CPU time of the hook alone over that of a plain step; beside it stands the ratio of whole steps, each
with a plain one behind it: median and middle half of the pairs. A re-initialisation builds the network anew
for every layer.
"""

import argparse
import statistics
import time

import numpy as np
import torch

from secateur.models import description
from secateur.models.description import NetworkDescription
from secateur.sparsity import masks, tickets
from secateur.training import hooks, loop, optimisation, partial_file
from sparsity import TRAINING, Clocked, header, images, processor, row, spent

CLASSES, SPARSITY = 100, 0.9
# The most that a step under masks may take as a multiple of a plain one, and a re-initialisation, in seconds.
STEP, SECONDS = 1.05, 10
NETWORKS = {"resnet20": {"shortcut": "A"}, "resnet110": {"shortcut": "A"}, "vgg16_bn": {"head": "compact"}}


def described(name):
    return NetworkDescription(name, NETWORKS[name], tuple(map(str, range(CLASSES))), (3, 32, 32))


class Training:
    """One network in training, plain or under masks."""

    def __init__(self, name, under_masks):
        torch.manual_seed(0)
        model = description.built(described(name)).train()
        self.clocked = Clocked(hooks.NEUTRAL)
        if under_masks:
            left = masks.pruned(model, SPARSITY)
            masks.close(model, left)
            self.clocked = Clocked(masks.hook(model, left))
        optimizers = optimisation.scheduled(model, TRAINING, ())
        self.run = partial_file.Run(model, TRAINING, 0, optimizers, self.clocked.hook())

    def step(self, pixels, labels):
        """CPU seconds of one step, and those of the hook in it."""
        self.clocked.seconds, started = 0.0, time.process_time()
        loop._step(self.run, pixels, labels, 0, 1)
        return time.process_time() - started, self.clocked.seconds


def table_of_steps(name, pairs):
    batch, plain, masked = images(), Training(name, False), Training(name, True)
    rows = [(*masked.step(*batch), plain.step(*batch)[0]) for _ in range(pairs + 1)][1:]
    hook, beside = (statistics.median(column) for column in zip(*(line[1:] for line in rows), strict=True))
    low, middle, high = np.quantile([seconds / of_plain for seconds, _, of_plain in rows], [0.25, 0.5, 0.75])
    words = f"{1000 * hook:.2f} ms of {beside:.2f} s; whole steps {middle:.3f}, {low:.3f} to {high:.3f}"
    row(name, "step under masks", STEP, 1 + hook / beside, words)


def table_of_draws(name):
    torch.manual_seed(0)
    model = description.built(described(name))
    left = masks.pruned(model, SPARSITY)
    for kind in ("random", "dist"):
        seconds = spent(lambda kind=kind: tickets.reinitialised(model, described(name), left, kind, 0))
        row(name, f"{kind}, seconds", SECONDS, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--pairs", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{processor()}, torch {torch.__version__}; {arguments.pairs} pairs")
    header()
    for name in arguments.networks:
        table_of_draws(name)
    for name in arguments.networks:
        table_of_steps(name, arguments.pairs)


if __name__ == "__main__":
    main()
