"""The cost of gates: a training step with gates over a plain one, in CPU time, and the peak memory of both.

    python benchmarks/selection.py [--model resnet56] [--pairs 30]

Batches of 128 random images of 32 x 32 pixels, one thread, float32; steps are interleaved, and the ratio is the median
over pairs. The last lines compare the logits of a wrapped network with those of the smaller one.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch.nn import functional as F

from secateur.models import zoo
from secateur.pruning import removal
from secateur.selection import OutputAnalyser, gate_phase, pruning_models
from secateur.selection.output_analyser import layers_of
from secateur.training import hooks
from secateur.units import finding

BATCH, SIZE, CLASSES = 128, 32, 10
GATES = {"optimizer": "sgd", "learning_rate": 0.02, "momentum": 0.9, "weight_decay": 0.0}


class Training:
    """One network in training, with or without gates."""

    def __init__(self, name, kind):
        torch.manual_seed(0)
        self.model, self.hook = zoo.build(name, CLASSES), hooks.NEUTRAL
        self.network = self.model
        # Of the plain network too, so that both processes hold the same libraries.
        self.units = finding.find(self.model, torch.zeros(1, 3, SIZE, SIZE), "inner")
        if kind != "plain":
            widths = {layer: max(1, len(ids) // 2) for layer, ids in layers_of(self.units).items()}
            self.network = OutputAnalyser(self.model, self.units, widths, pruning_models.MODELS[kind])
            self.hook = gate_phase.GatePhase(self.network, GATES).hook()
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.02, momentum=0.9)
        self.network.train()

    def step(self, pixels, labels, number=1, steps=4):
        """One step in the order of `training.loop`."""
        self.hook.before_step(number, steps)
        loss = F.cross_entropy(self.network(pixels), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.hook.after_backward()
        self.optimizer.step()

    def timed(self, pixels, labels):
        started = time.process_time()
        self.step(pixels, labels)
        return time.process_time() - started


def images(count=BATCH):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(count, 3, SIZE, SIZE, generator=generator)
    return pixels, torch.randint(CLASSES, (count,), generator=generator)


def ratios(name, kinds, pairs):
    """{kind: median ratio of its step to a plain one}."""
    batch = images()
    plain = Training(name, "plain")
    others = {kind: Training(name, kind) for kind in kinds}
    for training in (plain, *others.values()):
        training.step(*batch)
    collected = {kind: [] for kind in kinds}
    for _ in range(pairs):
        for kind, training in others.items():
            reference = plain.timed(*batch)
            collected[kind].append(training.timed(*batch) / reference)
    return {kind: statistics.median(values) for kind, values in collected.items()}


def peak(name, kind):
    """The peak memory of a few steps in a process of its own, in MB."""
    command = [sys.executable, __file__, "--model", name, "--peak", kind]
    # Freed memory goes back at once: else the peak is that of the allocator's fragments, which differ by a third.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def print_peak(name, kind):
    training = Training(name, kind)
    for _ in range(3):
        training.step(*images())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def difference(name, kind):
    """The largest difference of a wrapped network's logits from the smaller one's, as a share of their range."""
    training = Training(name, kind)
    for number in range(2):
        training.step(*images(16), number, 2)
    training.network.at(1, 1)
    training.network.eval()
    pixels, _ = images(64)
    with torch.no_grad():
        wrapped = training.network(pixels)
        channels = training.network.channels()
        smaller = removal.removed(training.network.unwrapped(), channels, pixels)(pixels)
    return float((wrapped - smaller).abs().max() / (smaller.max() - smaller.min()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="resnet56")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--peak", choices=["plain", *pruning_models.MODELS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        print_peak(arguments.model, arguments.peak)
        return
    kinds = list(pruning_models.MODELS)
    # First, while this process is small: a new process begins with the peak of the one that starts it.
    peaks = {kind: peak(arguments.model, kind) for kind in ("plain", *kinds)}
    print(f"{arguments.model}, batches of {BATCH}, one thread, float32, {arguments.pairs} interleaved pairs")
    plain = peaks["plain"]
    print(f"plain      peak memory {plain:5.0f} MB")
    for kind, ratio in ratios(arguments.model, kinds, arguments.pairs).items():
        print(f"{kind:10s} step {ratio:.3f} of a plain one, peak memory {peaks[kind]:5.0f} MB", end=" ")
        print(f"({peaks[kind] / plain:.3f}), wrapped against exported", end=" ")
        print(f"{difference(arguments.model, kind):.1e} of the logits' range")


if __name__ == "__main__":
    main()
