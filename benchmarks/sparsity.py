"""The cost of sparse training: steps over plain ones in CPU time, memory, the threshold, and the networks' latency.

    python benchmarks/sparsity.py [--networks resnet20_wide resnet20 mobilenet_v1] [--pairs 30]

Batches of 128 random images of 32 x 32 pixels, 100 classes, one thread, float32; a training of 160 epochs of 391 steps
to 98 % zeros, at three quarters of the ramp and behind it. A step is measured by 1 plus the CPU time of the hook alone
over that of a plain step; additions may take 0.05 more than Feather. Beside it stands the ratio of whole steps, each
with a plain one before or behind it: median and middle half of the pairs, which other load on the machine spreads.
Memory is the peak of a process's anonymous memory beyond that of plain training, which should be what the method holds:
a copy of the weights, and its masks.
"""

import argparse
import copy
import dataclasses
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

import networks
from secateur.export import latency
from secateur.models import zoo
from secateur.sparsity import feather
from secateur.sparsity.weights import Weights, smallest, zeros_at
from secateur.training import hooks, loop, optimisation, partial_file

BATCH, SIZE, CLASSES = 128, 32, 100
EPOCHS, BY_EPOCH = 160, 391
STEPS = EPOCHS * BY_EPOCH
SPARSITY = Fraction("0.98")
TRAINING = {
    **{"epochs": EPOCHS, "optimizer": "sgd", "learning_rate": 0.01, "schedule": "constant", "warm_up": 0},
    **{"momentum": 0.9, "nesterov": False, "weight_decay": 5e-4, "clip": 3.0, "loss": "cross_entropy"},
    **{"label_smoothing": 0.0, "precision": "float32"},
}
FEATHER = {
    **{"power": 3, "scale": "const", "scale_high": 1.0, "scale_low": 0.5, "kappa": None, "start": 0, "ramp": 0.5},
    **{"deadline": None, "slowest": None, "fastest": None, "family": None, "reference": None, "drop": 0},
    **{"drop_rule": None},
}
VARIANTS = {
    "feather": {},
    "scale power": {"scale": "power", "kappa": 20},
    "adaptive": {"deadline": 0.8, "slowest": 0.25, "fastest": 1, "family": "hyperbolic", "reference": 0.03},
    **{f"drop by {rule}": {"drop": 0.9, "drop_rule": rule} for rule in ("magnitude", "age", "random")},
}
# {phase: (its first step, the progress of the ramp)}.
PHASES = {"in the ramp": (3 * STEPS // 8, Fraction(3, 4)), "behind it": (3 * STEPS // 4, Fraction(1))}
# The most that a step of Feather may take as a multiple of a plain one, and that an addition may take beyond it.
TARGETS = {"resnet20_wide": 1.06, "resnet20": 1.05, "mobilenet_v1": 1.15}
MORE = 0.05
# Of one network, those whose memory differs.
PEAKS = ("feather", "drop by magnitude", "drop by age")
# Peaks of two processes that do the same differ by as much, in MB.
NOISE = 1
# The time of the threshold over that of a full sort.
OF_A_SORT = 1 / 5


class Clocked:
    """A hook whose calls count their CPU seconds, but for the forward and the backward pass inside `shown`."""

    def __init__(self, hook):
        self.inner, self.seconds = hook, 0.0

    def hook(self):
        timed = {name: self.timed(getattr(self.inner, name)) for name in ("before_step", "after_backward", "shown")}
        return dataclasses.replace(self.inner, **timed)

    def timed(self, call):
        def counting(*arguments):
            started = time.process_time()
            result = call(*arguments)
            self.seconds += time.process_time() - started
            if hasattr(result, "__enter__"):
                return Shown(self.timed(result.__enter__), self.timed(result.__exit__))
            return result

        return counting


class Shown:
    """A context of two functions."""

    def __init__(self, enter, leave):
        self.enter, self.leave = enter, leave

    def __enter__(self):
        self.enter()

    def __exit__(self, *error):
        self.leave(*error)


class Training:
    """One network in training, plain or by a variant."""

    def __init__(self, name, variant):
        torch.manual_seed(0)
        model, self.clocked, self.sparse = zoo.build(name, CLASSES).train(), Clocked(hooks.NEUTRAL), None
        if variant != "plain":
            self.sparse = feather.Feather(model, SPARSITY, FEATHER | VARIANTS[variant], STEPS, EPOCHS)
            self.clocked = Clocked(self.sparse.hook())
        optimizers = optimisation.scheduled(model, TRAINING, ())
        self.run = partial_file.Run(model, TRAINING, 0, optimizers, self.clocked.hook())

    def go_to(self, phase):
        self.number, progress = PHASES[phase]
        if self.sparse:
            self.sparse.ramp.progress = progress

    def step(self, pixels, labels):
        """CPU seconds of one step, and those of the hook in it."""
        self.clocked.seconds, started = 0.0, time.process_time()
        loop._step(self.run, pixels, labels, self.number, STEPS)
        self.number += 1
        return time.process_time() - started, self.clocked.seconds

    def held(self):
        """Bytes of the tensors that the method holds beside the network."""
        sparse = self.sparse
        tensors = [sparse.weights.row, sparse.weights.closed, sparse.compared]
        if sparse.dropped:
            tensors += sparse.dropped.state().values()
        return sum(tensor.nbytes for tensor in tensors)


def images():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(BATCH, 3, SIZE, SIZE, generator=generator)
    return pixels, torch.randint(CLASSES, (BATCH,), generator=generator)


# ---- tables --------------------------------------------------------------------------------------------------


def table_of_steps(name, pairs):
    batch = images()
    plain, others = Training(name, "plain"), {variant: Training(name, variant) for variant in VARIANTS}
    for phase in PHASES:
        for training in (plain, *others.values()):
            training.go_to(phase)
            # The first step closes, and drops, what a training has closed long before.
            training.step(*batch)
        collected = {variant: [] for variant in others}
        for _ in range(pairs):
            for variant, training in others.items():
                collected[variant].append((*training.step(*batch), plain.step(*batch)[0]))
        print_phase(name, phase, collected)


def print_phase(name, phase, collected):
    target = TARGETS[name]
    plain = statistics.median(seconds for rows in collected.values() for _, _, seconds in rows)
    for variant, rows in collected.items():
        hook = statistics.median(seconds for _, seconds, _ in rows)
        low, middle, high = np.quantile([seconds / beside for seconds, _, beside in rows], [0.25, 0.5, 0.75])
        beside = f"{1000 * hook:.1f} ms of {plain:.2f} s; whole steps {middle:.3f}, {low:.3f} to {high:.3f}"
        row(f"{name}, {phase}", variant, target, 1 + hook / plain, beside)
        if variant == "feather":
            target = 1 + hook / plain + MORE


def header():
    print(f"{'':28s} {'':18s} {'at most':>7s} {'measured':>8s} {'met':>4s}")


def row(where, what, target, value, beside=""):
    met = "yes" if value <= target else "NO"
    print(f"{where:28s} {what:18s} {target:7.3f} {value:8.3f} {met:>4s}  {beside}", flush=True)


def table_of_memory(name):
    plain = peak(name, "plain")
    for variant in PEAKS:
        target = Training(name, variant).held() / 2**20 + NOISE
        row(f"{name}, MB beyond {plain:.0f}", variant, target, peak(name, variant) - plain)


def peak(name, variant):
    """The peak memory of two steps, in MB, in a process of its own."""
    command = [sys.executable, __file__, "--networks", name, "--peak", variant]
    # Freed memory goes back at once: else the peak is that of the allocator's fragments, which differ by a third.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def print_peak(name, variant):
    training, batch = Training(name, variant), images()
    training.go_to("in the ramp")
    seen, done = [], threading.Event()
    watcher = threading.Thread(target=watch, args=(seen, done))
    watcher.start()
    for _ in range(2):
        training.step(*batch)
    done.set()
    watcher.join()
    print(max(seen))


def watch(seen, done):
    """Collect this process's anonymous resident memory in MB; without the libraries' pages, which come as used."""
    while not done.wait(0.002):
        status = Path("/proc/self/status").read_text()
        seen.append(int(re.search(r"^RssAnon:\s+(\d+)", status, flags=re.M)[1]) / 1024)


def table_of_thresholds(pairs, count=3_300_000):
    values = torch.randn(count, generator=torch.Generator().manual_seed(0)).abs()
    scratch, chosen, zeros = torch.empty_like(values), torch.empty(count, dtype=torch.bool), zeros_at(SPARSITY, count)
    ways = {
        "torch.sort": lambda: values.sort().values[zeros - 1].item(),
        "numpy.sort": lambda: np.sort(values.numpy())[zeros - 1],
        "ours": lambda: smallest(lambda: scratch.copy_(values), chosen, zeros),
    }
    turns = [{way: spent(work) for way, work in ways.items()} for _ in range(pairs + 1)][1:]
    for way in list(ways)[:2]:
        ratio = statistics.median(turn["ours"] / turn[way] for turn in turns)
        row(f"threshold, {count:,} weights", f"over {way}", OF_A_SORT, ratio)


def spent(work):
    started = time.process_time()
    work()
    return time.process_time() - started


def table_of_latencies(name, pairs):
    dense = networks.settled(name)
    sparse = copy.deepcopy(dense)
    weights = Weights(sparse)
    weights.close(zeros_at(SPARSITY, weights.count))
    with weights.shown():
        batches = [torch.randn(size, 3, SIZE, SIZE) for size in (1, 32)]
        timed = latency.summary(latency.measured(dense, sparse, batches, pairs))
    for line in timed.itertuples():
        print(
            f"{name}, inference of {line.batch}: the sparse network is {line.ratio:.2f} times as fast as the dense one "
            f"(middle half {line.ratio_low:.2f} to {line.ratio_high:.2f}; {line.dense_ms:.1f} ms)",
            flush=True,
        )


def processor():
    """The processor's name, where Linux says it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--peak", choices=["plain", *VARIANTS], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        print_peak(arguments.networks[0], arguments.peak)
        return
    print(f"{processor()}, torch {torch.__version__}, numpy {np.__version__}; {arguments.pairs} pairs")
    header()
    for name in arguments.networks:
        table_of_memory(name)
    table_of_thresholds(arguments.pairs)
    for name in arguments.networks:
        table_of_steps(name, arguments.pairs)
    for name in arguments.networks:
        table_of_latencies(name, arguments.pairs)


if __name__ == "__main__":
    main()
