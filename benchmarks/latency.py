"""Latency of smaller networks against dense ones, beside the ratio of their multiply-adds; one thread.

    python benchmarks/latency.py [--models vgg16_bn vgg16 resnet56 ...] [--batches 1 32] [--pairs 15]

Every layer loses the same share, channels chosen at random. Both networks run in turns, as for a model card
(`secateur.export.latency`); each row has the ratio of multiply-adds beside the median ratio of the times and its middle
half.
`vgg16` has the thesis's head: wide linear layers, whose hidden features are kept or pruned.
"""

import argparse

import torch

import networks
from secateur import cost, ranking
from secateur.export import latency
from secateur.pruning import plans, removal
from secateur.study.levels import Terms
from secateur.units import finding

# (model, budget, level, multiple of the widths, whether features of linear layers are units).
CASES = (
    ("vgg16_bn", "units", 0.5, 1, "protected"),
    ("vgg16", "units", 0.5, 1, "protected"),
    ("vgg16", "units", 0.5, 1, "units"),
    ("resnet56", "macs", 0.5, 1, "protected"),
    ("resnet56", "macs", 0.5, 8, "protected"),
    ("mobilenet_v1", "macs", 0.5, 1, "protected"),
    ("densenet40_24", "macs", 0.5, 1, "protected"),
)


def thinned(model, images, budget, level, multiple, linear):
    """The model without an equal share of every layer, by a random order."""
    units = finding.find(model, images, linear=linear)
    table = finding.table(units)
    order = ranking.scoped(ranking.at_random(len(units.units), 0), table, "layer")
    plan = plans.plan(ranking.table(order, table), level, Terms(0, multiple, budget), units.coupled)
    return removal.removed(model, plan, images, units.coupled)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=sorted({case[0] for case in CASES}))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':55s} batch  multiply-adds  times faster  middle half")
    for name, budget, level, multiple, linear in CASES:
        if name not in arguments.models:
            continue
        model, images = networks.settled(name), torch.randn(max(arguments.batches), 3, 32, 32)
        smaller = thinned(model, images[:2], budget, level, multiple, linear)
        saved = cost.count(model, images).macs / cost.count(smaller, images).macs
        timed = latency.measured(model, smaller, [images[:size] for size in arguments.batches], arguments.pairs)
        case = f"{name}, {level:g} of the {budget} removed"
        if multiple > 1:
            case += f", widths in {multiple}s"
        if linear == "units":
            case += ", linear layers too"
        for row in latency.summary(timed).itertuples():
            print(
                f"{case:55s} {row.batch:5d}  {saved:13.2f}  "
                f"{row.ratio:12.2f}  {row.ratio_low:.2f} to {row.ratio_high:.2f}"
            )


if __name__ == "__main__":
    main()
