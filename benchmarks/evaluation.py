"""CPU time of the grid of a pruning study: smaller networks against plain masking, interleaved.

    SECATEUR_DATA=FOLDER python benchmarks/evaluation.py [--images 1000] [--precision float32 bfloat16] [--threads 1]

Plain masking masks the channels of the unchanged network and runs all images, for every criterion and
level. The grid is that of the thesis for one reading: twelve statistics, combined, eleven deltas and three random
orders, at the levels 10 to 90 %. The masked network costs the same at every level, so it is timed at one level of
each ranking and counted for all. Loss and accuracy of all precisions are compared on every plan.
"""

import argparse
import itertools
import operator
import tempfile
import time

import numpy as np
import torch

import cifar
from secateur import ranking, statistics
from secateur.evaluation import measuring
from secateur.pruning import masking, plan_cache, plans, sweep
from secateur.units import finding

LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
NAMES = ("mean", "mean_abs", "max", "min", "max_abs", "min_abs")
BATCH = 125
MEASURED = operator.attrgetter("measured")


def rankings(model, pictures):
    """{criterion: ranking table} by the default reading of these images."""
    table = finding.table(finding.find(model, pictures[:1]))
    maps = cifar.relevance(model, pictures, torch.bfloat16)
    filters = {layer: model.get_submodule(layer).weight.detach().numpy() for layer in maps}
    scores = {"relevance": statistics.of_relevance(maps), "weight": statistics.of_weights(filters)}
    orders = {}
    for source, name in itertools.product(scores, NAMES):
        orders[f"{source}.{name}"] = ranking.by_score(ranking.scores(scores[source], table, name))
    relevant, weight = orders["relevance.mean_abs"], orders["weight.mean_abs"]
    orders["combined.relevance"] = ranking.combined(relevant, weight)
    for tenths in range(11):
        orders[f"mixed.relevance.{tenths / 10}"] = ranking.mixed(weight, relevant, f"{tenths / 10}")
    for draw in range(3):
        orders[f"random.{draw}"] = ranking.at_random(len(table), draw)
    return {name: ranking.table(order, table) for name, order in orders.items()}


def timed(work):
    """(result, CPU seconds) of a call."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def batches(pictures, labels):
    return zip(pictures.split(BATCH), labels.split(BATCH), strict=True)


def by_masking(model, plan, pictures, labels):
    with torch.no_grad(), masking.masked(model, plan):
        return measuring.over(model, batches(pictures, labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pictures, labels = cifar.shown(arguments.images)
    model = cifar.network()
    orders = rankings(model, pictures[:200])
    spent, measured = {"masking": 0.0}, {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in arguments.precision:
            spent[precision], measured[precision] = 0.0, []
        networks = {name: swept(model, pictures, labels, name, f"{folder}/{name}") for name in arguments.precision}
        masked = {}
        for place, table in enumerate(orders.values()):
            for precision, network in networks.items():
                points, seconds = timed(lambda n=network, t=table: list(n.points(t, LEVELS)))
                spent[precision] += seconds
                measured[precision] += points
            step = place % len(LEVELS)
            plan = plans.plan(table, LEVELS[step])
            result, seconds = timed(lambda p=plan: by_masking(model, p, pictures, labels))
            spent["masking"] += seconds * len(LEVELS)
            masked[place * len(LEVELS) + step] = result
    report(arguments, orders, spent, measured, masked)


def swept(model, pictures, labels, precision, folder):
    """The network as a study evaluates it at every level."""
    cache = plan_cache.Store(folder, {}, labels.numpy(), 10)
    return sweep.Network(model, lambda: batches(pictures, labels), labels.numpy(), pictures[:8], precision, cache)


def report(arguments, orders, spent, measured, masked):
    count = len(orders) * len(LEVELS)
    print(f"{len(orders)} rankings x {len(LEVELS)} levels = {count} networks x {arguments.images} images, ")
    print(f"{arguments.threads} thread(s); CPU seconds, and the speedup over masking")
    print(f"{'masking':16s} {spent['masking']:9.1f}  1.0")
    for precision, points in measured.items():
        ratio = spent["masking"] / spent[precision]
        empty = sum(bool(point.empty) for point in points)
        print(f"{precision:16s} {spent[precision]:9.1f} {ratio:5.1f}  ({empty} networks with an empty layer)")
        results = list(map(MEASURED, points))
        compare("masks in float32", [results[place] for place in masked], list(masked.values()))
        if precision != "float32" and "float32" in measured:
            compare("float32", results, map(MEASURED, measured["float32"]))


def compare(name, results, others):
    """Print the largest differences of loss and accuracy between two evaluations of the same networks."""
    losses, accuracies = [], []
    for result, other in zip(results, others, strict=True):
        losses.append(abs(result.loss - other.loss))
        accuracies.append(abs(result.accuracy - other.accuracy))
    close = int((np.array(accuracies) <= 0.001 + 1e-12).sum())
    print(
        f"{'':16s} against {name}, {len(losses)} networks: loss within {max(losses):.2g}, accuracy within "
        f"{100 * max(accuracies):.3g} points, within 0.1 in {close}"
    )


if __name__ == "__main__":
    main()
