"""The cost of a scorer: its descriptors over forward passes of the same images, its scores, and a step of its fit.

    python benchmarks/scoring.py [--models resnet20 resnet56] [--pairs 7]

Batches of 128 random images of 32 x 32 pixels, one thread, float32, CPU time. Pairs are interleaved, and ratios are
medians over them. A step of the fit is compared with a plain training step of all weights.
"""

import argparse
import itertools
import statistics
import time

import torch
from torch.nn import functional as F

from secateur.models import zoo
from secateur.selection import OutputAnalyser, budgets, descriptors, scorer_phase, scoring_network
from secateur.selection.output_analyser import layers_of
from secateur.study.levels import Terms
from secateur.units import finding

BATCH, BATCHES, SIZE, CLASSES = 128, 4, 32, 10
ADAM = {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.0}


def images(count):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(count, 3, SIZE, SIZE, generator=generator)
    return pixels, torch.randint(CLASSES, (count,), generator=generator)


def timed(function):
    """CPU seconds of a call, and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def ratio(function, reference, pairs):
    """The median ratio of the times of two functions, each called once before."""
    function()
    reference()
    return statistics.median(timed(function)[0] / timed(reference)[0] for _ in range(pairs))


class Fit:
    """One step of a fit of frozen weights, over all layers or within them, with soft gates or hard ones."""

    def __init__(self, name, scope, annealed):
        torch.manual_seed(0)
        model = zoo.build(name, CLASSES)
        units = finding.find(model, torch.zeros(1, 3, SIZE, SIZE), "inner")
        features, scorer = descriptors.of(model, units), scoring_network.scorer()
        model.requires_grad_(False)
        by_layer = layers_of(units)
        models = {layer: scoring_network.Scored(scorer, features[ids], not annealed) for layer, ids in by_layer.items()}
        widths, budget = {layer: max(1, len(ids) // 2) for layer, ids in by_layer.items()}, None
        if scope == "global":
            widths, budget = None, budgets.Budget(units, 0.5, Terms(budget="macs", keep_at_least=0.125))
        self.network = OutputAnalyser(model, units, widths, models=models, budget=budget, annealed=annealed)
        self.hook = scorer_phase.ScorerPhase(self.network, ADAM).hook()
        self.optimizer = torch.optim.Adam(scorer.parameters(), 0.01)

    def step(self, pixels, labels):
        """One step in the order of `training.loop`."""
        self.hook.before_step(1, 4)
        loss = F.cross_entropy(self.network(pixels), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.hook.after_backward()
        self.optimizer.step()


class Plain:
    """One plain training step of all weights."""

    def __init__(self, name):
        torch.manual_seed(0)
        self.model = zoo.build(name, CLASSES).train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.02, momentum=0.9)

    def step(self, pixels, labels):
        loss = F.cross_entropy(self.model(pixels), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet20", "resnet56"])
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"batches of {BATCH}, one thread, float32, {arguments.pairs} interleaved pairs")
    for name in arguments.models:
        compare(name, arguments.pairs)


def compare(name, pairs):
    """Print all ratios of one network."""
    torch.manual_seed(0)
    model, batches = zoo.build(name, CLASSES).eval(), [images(BATCH) for _ in range(BATCHES)]
    units = finding.find(model, torch.zeros(1, 3, SIZE, SIZE), "inner")

    def forward():
        with torch.no_grad():
            return [model(pixels) for pixels, _ in batches]

    described = ratio(lambda: descriptors.of(model, units, batches), forward, pairs)
    without = ratio(lambda: descriptors.of(model, units), forward, pairs)
    features, scorer = descriptors.of(model, units, batches), scoring_network.scorer()
    seconds = statistics.median(timed(lambda: scoring_network.scores(scorer, features))[0] for _ in range(20))
    print(
        f"{name}: descriptors of {len(units.units):,} units {described:.2f} forward passes of the {BATCH * BATCHES:,} "
        f"images that they read, without gradients {without:.2f}; scores from them {1000 * seconds:.2f} ms"
    )
    plain, batch = Plain(name), images(BATCH)
    for scope, annealed in itertools.product(("layer", "global"), (True, False)):
        fit = Fit(name, scope, annealed)
        steps = ratio(lambda fit=fit: fit.step(*batch), lambda: plain.step(*batch), pairs)
        print(
            f"{name}: a step of the fit, frozen weights, scope {scope}, {'soft' if annealed else 'hard'} gates: "
            f"{steps:.2f} of a plain training step"
        )


if __name__ == "__main__":
    main()
