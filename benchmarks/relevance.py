"""How many plain forward passes relevance costs: ours and zennit's, interleaved in one run, CPU time.

    python benchmarks/relevance.py [--images 20 128] [--rounds 5] [--threads 1]

The network is the thesis's VGG16 at 32x32 with random weights; ratios matter, seconds depend on the machine.
"""

import argparse
import statistics
import time

import torch
from torch import nn

from secateur import models, relevance


def forward(model):
    def run(images):
        with torch.no_grad():
            model(images)

    return run


def ours(model):
    propagator = relevance.Propagator(model)
    return lambda images: propagator(images)


def zennit(model):
    """zennit's AlphaBeta(2, 1) without biases, every convolution's output kept, parameters frozen."""
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.rules import AlphaBeta
    from zennit.types import Linear

    composite = LayerMapComposite([*layer_map_base(), (Linear, AlphaBeta(2, 1, zero_params="bias"))])
    model.requires_grad_(False)

    def run(images):
        with composite.context(model) as context:
            hooks = [
                module.register_forward_hook(lambda module, inputs, output: output.retain_grad())
                for module in model.modules()
                if isinstance(module, nn.Conv2d)
            ]
            logits = context(images.clone().requires_grad_())
            logits.backward(torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1.0))
            for hook in hooks:
                hook.remove()

    return run


def seconds(run, images):
    start = time.process_time()
    run(images)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[20, 128], help="images of a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = models.build("vgg16", 10).eval()
    runs = {"forward": forward(model), "secateur": ours(model), "zennit": zennit(model)}
    print(f"threads {arguments.threads}, rounds {arguments.rounds}, torch {torch.__version__}")
    for count in arguments.images:
        images = torch.randn(count, 3, 32, 32)
        found = {name: [] for name in runs}
        for _ in range(arguments.rounds + 1):
            for name, run in runs.items():
                found[name].append(seconds(run, images))
        # The first round warms up.
        medians = {name: statistics.median(times[1:]) for name, times in found.items()}
        for name, median in medians.items():
            print(f"batch {count:4d}  {name:9s} {1000 * median:8.0f} ms  {median / medians['forward']:6.2f} x forward")


if __name__ == "__main__":
    main()
