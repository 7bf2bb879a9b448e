"""What the grid of a pruning study costs: removed networks against the straightforward way, interleaved, CPU time.

    SECATEUR_DATA=FOLDER python benchmarks/evaluation.py [--images 1000] [--precision float32 bfloat16] [--threads 1]

The straightforward way masks the channels of the network as it is and runs all images, for every criterion and
level. The grid is that of the thesis for one reading: twelve statistics, combined, eleven deltas and three random
orders, at the levels 10 to 90 %. The masked network costs the same at every level, so it is timed on one plan after
each ranking and counted for all. Loss and accuracy of both arithmetics are compared on every plan.
"""

import argparse
import tempfile
import time

import torch

import cifar
from secateur import ranking, statistics
from secateur.evaluation import measuring
from secateur.pruning import masking, plan_cache, plans, sweep
from secateur.relevance import propagation
from secateur.units import finding

LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
NAMES = ("mean", "mean_abs", "max", "min", "max_abs", "min_abs")
BATCH = 125


def rankings(model, pictures):
    """{criterion: ranking table} of the default reading on so many images."""
    table = finding.table(finding.find(model, pictures[:1]))
    sums = {}
    propagator = propagation.Propagator(model, dtype=torch.bfloat16)
    for part in pictures.split(50):
        for layer, R in propagator(part)[0].items():
            batch = [R.double().sum(0), R.double().abs().sum(0)]
            sums[layer] = [a + b for a, b in zip(sums[layer], batch, strict=True)] if layer in sums else batch
    maps = {layer: tuple((part / len(pictures)).numpy() for part in parts) for layer, parts in sums.items()}
    filters = {layer: model.get_submodule(layer).weight.detach().numpy() for layer in maps}
    scores = {"relevance": statistics.of_relevance(maps), "weight": statistics.of_weights(filters)}
    orders = {
        f"{source}.{name}": ranking.by_score(ranking.scores(scores[source], table, name))
        for source in scores
        for name in NAMES
    }
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


def straightforward(model, plan, pictures, labels):
    with torch.no_grad(), masking.masked(model, plan):
        return measuring.over(model, zip(pictures.split(BATCH), labels.split(BATCH), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, (pictures, labels) = cifar.network(), cifar.shown(arguments.images)
    orders = rankings(model, pictures[:200])
    with tempfile.TemporaryDirectory() as folder:
        networks = {
            precision: sweep.Network(
                model,
                lambda: zip(pictures.split(BATCH), labels.split(BATCH), strict=True),
                labels.numpy(),
                pictures[:8],
                precision,
                plan_cache.Store(f"{folder}/{precision}", {}, labels.numpy(), 10),
            )
            for precision in arguments.precision
        }
        spent, found = dict.fromkeys([*networks, "straightforward"], 0.0), {name: [] for name in networks}
        slowly = []
        for place, table in enumerate(orders.values()):
            for precision, network in networks.items():
                points, seconds = timed(lambda n=network, t=table: list(n.points(t, LEVELS)))
                spent[precision] += seconds
                found[precision] += points
            level = LEVELS[place % len(LEVELS)]
            plan = plans.plan(table, level)
            masked, seconds = timed(lambda p=plan: straightforward(model, p, pictures, labels))
            spent["straightforward"] += seconds * len(LEVELS)
            slowly.append((place * len(LEVELS) + LEVELS.index(level), masked))
    report(arguments, orders, spent, found, slowly)


def report(arguments, orders, spent, found, slowly):
    count = len(orders) * len(LEVELS)
    print(f"{len(orders)} rankings x {len(LEVELS)} levels = {count} networks x {arguments.images} images, ")
    print(f"{arguments.threads} thread(s); CPU seconds, and how many times faster than the straightforward way")
    print(f"{'straightforward':16s} {spent['straightforward']:9.1f}  1.0")
    for precision, points in found.items():
        ratio = spent["straightforward"] / spent[precision]
        empty = sum(bool(point.empty) for point in points)
        print(f"{precision:16s} {spent[precision]:9.1f} {ratio:5.1f}  ({empty} networks with an empty layer)")
        far = [
            (abs(points[p].measured.loss - m.loss), abs(points[p].measured.accuracy - m.accuracy)) for p, m in slowly
        ]
        print(
            f"{'':16s} against masks in float32, {len(far)} networks: loss within {max(f[0] for f in far):.2g}, "
            f"accuracy within {100 * max(f[1] for f in far):.3g} points"
        )
        if precision != "float32" and "float32" in found:
            far = [
                (abs(a.measured.loss - b.measured.loss), abs(a.measured.accuracy - b.measured.accuracy))
                for a, b in zip(points, found["float32"], strict=True)
            ]
            most = 0.001 + 1e-12
            print(
                f"{'':16s} against float32, {len(far)} networks: loss within {max(f[0] for f in far):.2g}, accuracy "
                f"within {100 * max(f[1] for f in far):.3g} points, within 0.1 in {sum(f[1] <= most for f in far)}"
            )


if __name__ == "__main__":
    main()
