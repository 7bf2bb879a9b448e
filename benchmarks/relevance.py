"""CPU time of relevance in plain forward passes: ours and its peers, interleaved in one run.

    python benchmarks/relevance.py [--networks vgg16 resnet56 mobilenet_v1] [--images 20 128] [--rounds 5] [--threads 1]
                                   [--peers zennit captum] [--torchlrp FOLDER]

Weights are random and images 32x32; ratios matter, seconds depend on the machine. The floor counts products: a
convolution or linear layer takes four for alpha-beta (both signs, forward and back), eight where its input has
both signs, and one where only its value is wanted, in units of the plain forward pass. With TorchLRP, values are
compared too, in float64 at every convolution's output.
"""

import argparse
import collections
import copy
import functools
import statistics
import sys
import time

import torch
from torch import nn

import networks
from secateur import cost
from secateur.models import zoo
from secateur.relevance import propagation

NETWORKS = {
    "vgg16": lambda: zoo.build("vgg16", 10).eval(),
    "resnet56": lambda: networks.settled("resnet56"),
    "mobilenet_v1": lambda: networks.settled("mobilenet_v1"),
}


def forward(model):
    def run(images):
        with torch.no_grad():
            model(images)

    return run


def ours(model, dtype=None):
    return propagation.Propagator(model, dtype=dtype)


def zennit(model):
    """zennit's AlphaBeta(2, 1) without biases, every convolution's output kept, parameters frozen, BatchNorm folded."""
    from zennit.composites import LayerMapComposite, layer_map_base
    from zennit.rules import AlphaBeta
    from zennit.types import Linear

    from secateur.graph import folding

    model = folding.folded(model).requires_grad_(False)
    composite = LayerMapComposite([*layer_map_base(), (Linear, AlphaBeta(2, 1, zero_params="bias"))])

    def run(images):
        with composite.context(model) as context:
            hooks = []
            for module in model.modules():
                if isinstance(module, nn.Conv2d):
                    hooks.append(module.register_forward_hook(lambda module, inputs, output: output.retain_grad()))
            logits = context(images.clone().requires_grad_())
            logits.backward(torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1.0))
            for hook in hooks:
                hook.remove()

    return run


def captum(model):
    """captum's Alpha1_Beta0 (it has no beta), at the first convolution; only for networks that it can follow."""
    from captum.attr import LayerLRP
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, IdentityRule

    layers = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]

    def run(images):
        for module in model.modules():
            if isinstance(module, (nn.Dropout, nn.Flatten)):
                module.rule = IdentityRule()
        for layer in layers:
            layer.rule = Alpha1_Beta0_Rule(set_bias_to_zero=True)
        with torch.no_grad():
            target = model(images).argmax(1)
        LayerLRP(model, layers[0]).attribute(images, target)

    return run


def torchlrp(folder):
    """TorchLRP's alpha2beta1 from a checkout."""
    sys.path.insert(0, folder)
    import lrp

    def of_model(model):
        converted = lrp.convert_vgg(model)

        def run(images):
            logits = converted.forward(images.clone().requires_grad_(), explain=True, rule="alpha2beta1")
            logits[torch.arange(len(images)), logits.argmax(1)].sum().backward()

        return run

    return of_model


def apart(model, images, rule):
    """The largest difference to TorchLRP in float64, as a share of the layer's largest relevance."""
    import lrp

    # TorchLRP copies weights into layers of the default type.
    torch.set_default_dtype(torch.float64)
    try:
        model, images = copy.deepcopy(model).double(), images.double()
        converted, outputs = lrp.convert_vgg(model), []
        for layer in converted.modules():
            if isinstance(layer, lrp.Conv2d):
                layer.forward = functools.partial(_keeping, layer.forward, outputs)
        logits = converted.forward(images.clone().requires_grad_(), explain=True, rule=rule)
        logits[torch.arange(len(images)), logits.argmax(1)].sum().backward()
    finally:
        torch.set_default_dtype(torch.float32)
    ours = propagation.propagate(model, images, rule=rule).values()
    differences = []
    for output, R in zip(outputs, ours, strict=True):
        differences.append(float((output.grad - R).abs().max() / output.grad.abs().max()))
    return max(differences)


def _keeping(forward, outputs, *arguments, **options):
    outputs.append(forward(*arguments, **options))
    outputs[-1].retain_grad()
    return outputs[-1]


PEERS = {"zennit": zennit, "captum": captum}


def floor(model, images):
    """The least cost in forward passes, by counting products."""
    propagator, places = propagation.Propagator(model), cost.positions(model, images[:1])
    dense = products = 0
    for node in propagator.graph.nodes:
        if propagator.graph.is_linear(node):
            macs = propagator.graph.module(node).weight.numel() * places[node.target]
            dense += macs
            if propagator.graph.reads_images(node):
                products += macs
            else:
                products += macs * (4 if propagator.graph.signs.never_negative(node.all_input_nodes[0]) else 8)
    return products / dense


def seconds(run, images):
    start = time.process_time()
    run(images)
    return time.process_time() - start


def measure(name, arguments):
    model = NETWORKS[name]()
    runs = {"forward": forward(model), "float32": ours(model), "bfloat16": ours(model, torch.bfloat16)}
    peers = {peer: PEERS[peer] for peer in arguments.peers}
    if arguments.torchlrp and name.startswith("vgg"):
        peers["torchlrp"] = torchlrp(arguments.torchlrp)
        for rule in ("alpha2beta1", "alpha1beta0"):
            print(f"{name}: {rule} is {apart(model, torch.randn(4, 3, 32, 32), rule):.1e} from TorchLRP in float64")
    print(f"{name}: floor of alpha2beta1 {floor(model, torch.zeros(1, 3, 32, 32)):.2f} x forward")
    for count in arguments.images:
        images = torch.randn(count, 3, 32, 32)
        for peer, make in peers.items():
            try:
                runs[peer] = make(model)
                runs[peer](images)
            except Exception as error:
                runs.pop(peer, None)
                print(f"  {peer} cannot: {type(error).__name__}: {str(error).splitlines()[0][:90]}")
        medians = interleaved(runs, images, arguments.rounds)
        for run, median in medians.items():
            print(f"  batch {count:4d}  {run:9s} {1000 * median:8.0f} ms  {median / medians['forward']:6.2f} x forward")


def interleaved(runs, images, rounds):
    """{run: median of its seconds}, all in turns; a first round warms up."""
    times = collections.defaultdict(list)
    for _ in range(rounds + 1):
        for run, function in runs.items():
            times[run].append(seconds(function, images))
    return {run: statistics.median(measured[1:]) for run, measured in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--images", type=int, nargs="+", default=[20, 128], help="images of a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=["zennit"])
    parser.add_argument("--torchlrp", metavar="FOLDER", help="a checkout of fhvilshoj/TorchLRP")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"threads {arguments.threads}, median of {arguments.rounds} interleaved rounds, torch {torch.__version__}")
    for name in arguments.networks:
        measure(name, arguments)


if __name__ == "__main__":
    main()
