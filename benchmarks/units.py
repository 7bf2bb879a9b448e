"""What it costs to find units and to remove channels, beside Torch-Pruning if installed; CPU seconds on one thread.

    python benchmarks/units.py [--models resnet56 densenet121 ...] [--repeat 3]

One prune takes half of the units at random, with what was found once; Torch-Pruning's one prune (build and step at
half the channels) is what a study would call for each level. The median of the repeats is printed, and how far the
smaller network's logits are from the masked one's, as a share of their range.
"""

import argparse
import copy
import statistics
import time

import torch

import networks
from secateur.pruning import masking, removal
from secateur.units import finding as units_finding

ZOO = ("vgg16", "vgg16_bn", "resnet20", "resnet56", "resnet110", "mobilenet_v1", "densenet40_24")
TORCHVISION = ("resnet18", "resnet50", "mobilenet_v2", "densenet121")


def built(name):
    """(model, images): networks of the zoo at 32 pixels, torchvision's at 224."""
    if name in TORCHVISION:
        import torchvision

        return torchvision.models.get_model(name).eval(), torch.randn(1, 3, 224, 224)
    return networks.settled(name, batches=0 if name == "vgg16" else 2), torch.randn(4, 3, 32, 32)


def timed(work, repeat):
    """(result, median CPU seconds) of a call."""
    spent = []
    for _ in range(repeat):
        start = time.process_time()
        result = work()
        spent.append(time.process_time() - start)
    return result, statistics.median(spent)


def by_torch_pruning(model, images):
    """What Torch-Pruning does for one level; None if it is not installed."""
    try:
        import torch_pruning
    except ImportError:
        return None
    heads = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]

    def prune():
        smaller = copy.deepcopy(model)
        ignored = [module for module in smaller.modules() if isinstance(module, torch.nn.Linear)][-len(heads) :]
        importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
        start = time.process_time()
        torch_pruning.pruner.BasePruner(
            smaller, images, importance=importance, pruning_ratio=0.5, ignored_layers=ignored
        ).step()
        return time.process_time() - start

    return prune()


@torch.no_grad()
def deviation(model, channels, found, images):
    with masking.masked(model, channels, found.coupled):
        logits = model(images)
    smaller = removal.narrowed(model, channels, found.coupled)
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
        found, finding = timed(lambda m=model, x=images: units_finding.find(m, x), arguments.repeat)
        channels = networks.drawn(found, 0.5)
        _, removing = timed(lambda m=model, c=channels, f=found.coupled: removal.narrowed(m, c, f), arguments.repeat)
        far = deviation(model, channels, found, images)
        peer = by_torch_pruning(model, images)
        peer = "-" if peer is None else f"{peer:.3f}"
        print(f"{name:16s} {len(found.units):5d} {finding:7.3f} {removing:7.3f} {peer:>14s}  {far:.1e}", flush=True)


if __name__ == "__main__":
    main()
