"""What the multiply-adds that are saved are worth on the clock: smaller networks beside dense ones, one thread.

    python benchmarks/latency.py [--models vgg16_bn vgg16 resnet56 ...] [--batches 1 32] [--pairs 15]

Every layer loses the same share, channels chosen at random. Both networks run in turns, as for a model card
(`secateur.export.latency`); each row has the ratio of multiply-adds beside the median ratio of the times and its middle
half.
`vgg16` has the thesis's head: wide linear layers, whose hidden features stay or are pruned too.
"""

import argparse

import torch

import networks
from secateur import cost, ranking
from secateur.export import latency
from secateur.pruning import plans, removal
from secateur.study.levels import Terms
from secateur.units import finding

# (model, what a level is a share of, level, multiples of which widths are, whether features of linear layers go).
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
    """The model with every layer thinned alike, by a random order."""
    found = finding.find(model, images, linear=linear)
    table = finding.table(found)
    order = ranking.scoped(ranking.at_random(len(found.units), 0), table, "layer")
    plan = plans.plan(ranking.table(order, table), level, Terms(0, multiple, budget), found.coupled)
    return removal.removed(model, plan, images, found.coupled)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=sorted({case[0] for case in CASES}))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':52s} batch  multiply-adds  times faster  middle half")
    for name, budget, level, multiple, linear in CASES:
        if name not in arguments.models:
            continue
        model, images = networks.settled(name), torch.randn(max(arguments.batches), 3, 32, 32)
        smaller = thinned(model, images[:2], budget, level, multiple, linear)
        saved = cost.count(model, images).macs / cost.count(smaller, images).macs
        timed = latency.measured(model, smaller, [images[:size] for size in arguments.batches], arguments.pairs)
        rounded = f", widths in {multiple}s" if multiple > 1 else ""
        rounded += ", linear layers too" if linear == "units" else ""
        for row in latency.summary(timed).itertuples():
            print(
                f"{f'{name}, {level:g} of the {budget} gone{rounded}':52s} {row.batch:5d}  {saved:13.2f}  "
                f"{row.ratio:12.2f}  {row.ratio_low:.2f} to {row.ratio_high:.2f}"
            )


if __name__ == "__main__":
    main()
