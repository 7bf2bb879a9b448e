"""CPU seconds of finding units and removing channels on one thread, beside Torch-Pruning if it is installed.

    python benchmarks/units.py [--models resnet56 densenet121 ...] [--repeat 3]

One removal is of half of the units at random, found once before; Torch-Pruning's removal (build and step at half the
channels) is what a study would call for each level. The median of the repeats is printed, and the largest difference
between the logits of the smaller and the masked network, as a share of their range.
"""

import argparse
import copy
import statistics
import time

import torch

import networks
from secateur.pruning import masking, removal
from secateur.units import finding

ZOO = ("vgg16", "vgg16_bn", "resnet20", "resnet56", "resnet110", "mobilenet_v1", "densenet40_24")
TORCHVISION = ("resnet18", "resnet50", "mobilenet_v2", "densenet121")


def built(name):
    """(model, images): networks of the zoo at 32 pixels, torchvision's at 224."""
    if name in TORCHVISION:
        import torchvision

        return torchvision.models.get_model(name).eval(), torch.randn(1, 3, 224, 224)
    # vgg16 has no BatchNorm.
    batches = 0 if name == "vgg16" else 2
    return networks.settled(name, batches=batches), torch.randn(4, 3, 32, 32)


def timed(work, repeat):
    """(result, median CPU seconds) of a call."""
    spent = []
    for _ in range(repeat):
        start = time.process_time()
        result = work()
        spent.append(time.process_time() - start)
    return result, statistics.median(spent)


def by_torch_pruning(model, images):
    """CPU seconds of Torch-Pruning for one level, as text; "-" if it is not installed."""
    try:
        import torch_pruning
    except ImportError:
        return "-"
    smaller = copy.deepcopy(model)
    linear = [module for module in smaller.modules() if isinstance(module, torch.nn.Linear)]
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    start = time.process_time()
    torch_pruning.pruner.BasePruner(
        smaller, images, importance=importance, pruning_ratio=0.5, ignored_layers=linear
    ).step()
    return f"{time.process_time() - start:.3f}"


@torch.no_grad()
def deviation(model, channels, units, images):
    with masking.masked(model, channels, units.coupled):
        logits = model(images)
    smaller = removal.narrowed(model, channels, units.coupled)
    return float((smaller(images) - logits).abs().max() / (logits.max() - logits.min()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[*ZOO, *TORCHVISION])
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':16s} units   found  pruned  Torch-Pruning  removed against masked")
    for name in arguments.models:
        model, images = built(name)
        units, search = timed(lambda m=model, x=images: finding.find(m, x), arguments.repeat)
        channels = networks.drawn(units, 0.5)
        _, removed = timed(lambda m=model, c=channels, u=units.coupled: removal.narrowed(m, c, u), arguments.repeat)
        difference = deviation(model, channels, units, images)
        peer = by_torch_pruning(model, images)
        print(
            f"{name:16s} {len(units.units):5d} {search:7.3f} {removed:7.3f} {peer:>14s}  {difference:.1e}", flush=True
        )


if __name__ == "__main__":
    main()
