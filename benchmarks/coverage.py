"""Exactness of relevance for every classifier of torchvision that `model.name` accepts.

    python benchmarks/coverage.py [NAME ...]

Weights are random, values float64, two images of the smallest size from 32 pixels that the network accepts. A row has
the largest difference of `gradient` to autograd over all convolutions, as a share of a layer's largest gradient; the
deviation of the sum of relevance at the first convolution from the relevance of the class, by epsilon without biases,
which conserves it; the operations with a rule of their own; and the layers without relevance, or the reason of a
refusal.
"""

import sys
import time

import torch
from torch import nn

from secateur.graph import folding, operation_kinds
from secateur.models import zoo
from secateur.relevance import propagation, unweighted_layers
from secateur.study import architectures

NAMES = (*architectures.TORCHVISION, "vgg16", "vgg16_bn")
SUMMED = "epsilon=1e-30"


def built(name):
    """(model in eval mode and float64, images), with biases of zero, so that no bias absorbs relevance."""
    torch.manual_seed(0)
    model = zoo.build(name, 10).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
        if isinstance(getattr(module, "bias", None), nn.Parameter):
            nn.init.zeros_(module.bias)
    size = max(32, architectures.of({"factory": None, "name": name}).smallest)
    return model, torch.randn(2, 3, size, size, dtype=torch.float64)


def autograd(model, images):
    """{convolution: gradient of the predicted class's logit} by autograd alone."""
    outputs = {}

    def hook(name):
        def keep(module, inputs, output):
            output.retain_grad()
            outputs[name] = output
            # A copy, because an activation in place would overwrite the output.
            return output.clone()

        return keep

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(hook(name))
    logits = model(images.clone().requires_grad_())
    logits.gather(1, logits.argmax(1, keepdim=True)).sum().backward()
    return {name: output.grad for name, output in outputs.items()}


def deviation(model, images):
    """The largest difference of `gradient` to autograd, as a share of a convolution's largest gradient."""
    relevance = propagation.propagate(model, images, rule="gradient")
    gradients = autograd(folding.folded(model, strict=False), images)
    if {*relevance} != {*gradients}:
        raise RuntimeError(f"relevance has other layers than autograd: {sorted({*relevance} ^ {*gradients})}")
    largest = 0.0
    for name, gradient in gradients.items():
        if gradient.any():
            difference = (relevance[name] - gradient).abs().max() / gradient.abs().max()
            largest = max(largest, float(difference))
    return largest


def by_rule(propagator):
    """What of a network is passed by a rule of its own, in words."""
    graph = propagator.graph
    products = sum(graph.has(node, operation_kinds.MULTIPLIED) for node in graph.nodes)
    norms = sum(graph.has(node, unweighted_layers.NORMALISED) for node in graph.nodes)
    parts = [f"{products} products" * bool(products), f"{norms} normalisations" * bool(norms)]
    return ", ".join(part for part in parts if part) or "-"


def row(name):
    start = time.process_time()
    model, images = built(name)
    try:
        worst = deviation(model, images)
        propagator = propagation.Propagator(model, SUMMED, bias=False)
        found = propagator(images)[0]
    except ValueError as error:
        return (name, "-", "-", "-", f"refused: {error}")
    away = float((found[next(iter(found))].flatten(1).sum(1) - 1).abs().max())
    without = propagator.layers_without(images.shape[1:])
    named = f"{len(without)} of {len(propagator.read)}, as `{next(iter(without))}`" if without else "-"
    print(f"{name}: {time.process_time() - start:.0f} s", file=sys.stderr, flush=True)
    return (name, f"{worst:.0e}", f"{away:.0e}", by_rule(propagator), named)


if __name__ == "__main__":
    torch.set_num_threads(1)
    columns = ("network", "gradient against autograd", "sum at the first convolution against 1", "by rule", "without")
    print("| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|")
    for name in sys.argv[1:] or NAMES:
        print("| " + " | ".join(row(name)) + " |", flush=True)
