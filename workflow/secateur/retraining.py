"""What a pruned network can get back: new BatchNorm statistics, retraining, or training from fresh weights.

One schedule and one order of images serve all criteria and levels of a network, so that what they end in is compared
in pairs. Channels are ranked once, in the dense network, also where they go in several steps.
"""

import dataclasses
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from secateur import (
    checkpoints,
    cost,
    evaluation,
    folding,
    images,
    levels,
    models,
    pruning,
    quick,
    seeds,
    training,
)
from secateur import flow as flows


@dataclasses.dataclass(frozen=True)
class Material:
    """What a pruned network is retrained with: `images.Images`, options as those of the study's `training`, the seed
    of all draws, and where the state is kept after each epoch (`training.train` says how)."""

    train: images.Images
    validation: images.Images
    options: dict
    seed: int
    partial: Path | None = None
    stamp: str | None = None


def plans(ranking, level, steps=1, flow=None, **terms):
    """What is gone, {layer: [index, ...]}, after each of so many equal steps up to a level; each holds the one before.

    `terms` are those of `pruning.plan`, which also raises the errors. Widths are rounded at the end of the steps:
    what stays then, stays all along.
    """
    last = pruning.plan(ranking, level, flow=flow, **terms)
    shares = [levels.fraction(level) * Fraction(step, steps) for step in range(1, steps)]
    steps = [pruning.plan(ranking, share, flow=flow, **terms | {"round_to": 1}) for share in shares]
    return [*(_both(step, last) for step in steps), last]


def _both(first, second):
    """The channels, {layer: [index, ...]}, that are in both."""
    shared = {layer: sorted({*first[layer]} & {*second[layer]}) for layer in first if layer in second}
    return {layer: index for layer, index in shared.items() if index}


def narrowed(model, plan, about):
    """The smaller model of a plan; `about` says on which images, because a branch without channels has their size."""
    return pruning.narrowed(model, plan, followed(model, about))


def followed(model, about):
    """The `flow.Flow` of a model on images of the shape that `about` names."""
    return flows.followed(model, torch.zeros(2, *about["shape"], device=next(model.parameters()).device))


def batchnorm(model, about, gone, material):
    """(smaller model, []): nothing is trained, but every BatchNorm measures its inputs anew.

    `options` are batchnorm_images, how many training images are drawn for it, and batch_size.
    """
    smaller = narrowed(model, gone[-1], about)
    count = min(material.options["batchnorm_images"], len(material.train))
    order = torch.randperm(len(material.train), generator=seeds.torch_generator(material.seed, "batchnorm"))
    # Nearly equal batches, because each counts as much; sorted only within, because files may be sorted by class.
    parts = order[:count].tensor_split(math.ceil(count / material.options["batch_size"]))
    device = next(model.parameters()).device
    reestimate(smaller, (material.train.normalised(part.sort().values.numpy()).to(device) for part in parts))
    return smaller, []


@torch.no_grad()
def reestimate(model, batches):
    """Replace the running statistics of every BatchNorm by the mean of those of batches (N, C, H, W), in place.

    As in training each layer sees its inputs normalised by the batch itself; nothing else is in training mode, and
    frozen layers take part. The variances are the unbiased ones within a batch. Every mode is put back.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        # Without momentum torch averages all batches alike.
        norm.momentum, norm.training = None, True
    try:
        for pixels in batches:
            model(pixels)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in before:
            module.training = mode


def retrained(model, about, gone, material):
    """(smaller model, history): what goes in a step goes at once, then the whole schedule trains what is left.

    `gone` are the plans of `plans`. Of every step the epoch is kept that validation chooses; the history has its
    number as `step`, from 1. Which layers are frozen is the model's.
    """
    smaller, before, history = model, {}, []
    for step, plan in enumerate(gone, 1):
        smaller = narrowed(smaller, further(before, plan), about)
        partial = f"{material.partial}.{step}" if material.partial else None
        seed = seeds.derived(material.seed, "step", step)
        try:
            rows = training.train(
                smaller, material.train, material.validation, material.options, seed, partial, material.stamp
            )
        except ValueError as error:
            # What training advises on names its own settings.
            raise ValueError(str(error).replace(" training.", " retraining.")) from error
        history += [{"step": step, **row} for row in rows]
        before = plan
    return smaller, history


def further(before, plan):
    """What a plan removes beyond another, {layer: [index, ...]}, counted in the network that has lost `before`."""
    found = {}
    for layer, index in plan.items():
        lost = np.sort(np.asarray(before.get(layer, []), int))
        new = np.setdiff1d(index, lost)
        if len(new):
            found[layer] = (new - np.searchsorted(lost, new)).tolist()
    return found


def scratch(model, about, gone, material):
    """(smaller model, history): the same widths with fresh weights, all of them trained."""
    device = next(model.parameters()).device
    smaller = fresh(about, gone[-1], material.seed).to(device)
    history = training.train(
        smaller, material.train, material.validation, material.options, material.seed, material.partial, material.stamp
    )
    return smaller, [{"step": 1, **row} for row in history]


KINDS = {"batchnorm": batchnorm, "retrained": retrained, "scratch": scratch}


def fresh(about, plan, seed):
    """A network of the widths that a plan leaves, with random weights; equal seeds start from equal dense networks.

    The weights are drawn as for the dense network and then lose the plan's channels. Each layer's are scaled by the
    root of (inputs before / inputs left), which keeps the variance of what it puts out, whatever they are drawn by.
    `about` is that of the dense network's checkpoint.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derived(seed, "fresh"))
        dense = models.described(about, len(about["classes"]))
    smaller = narrowed(dense, plan, about)
    inputs = {name: layer.weight[0].numel() for name, layer in _layers(dense)}
    with torch.no_grad():
        for name, layer in _layers(smaller):
            if layer.weight.numel():
                layer.weight.mul_(math.sqrt(inputs[name] / layer.weight[0].numel()))
    return smaller


def _layers(model):
    return [(name, module) for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@dataclasses.dataclass(frozen=True)
class Widths:
    """What a plan makes of a network, before anything is retrained.

    `units` go, a share `realised` of what the budget counts; `empty` are layers with no channel left, and a
    `constant` network answers every image alike: there is nothing in it to retrain.
    """

    units: int
    realised: float
    cost: cost.Cost
    empty: list
    constant: bool


def widths(flow, ranking, plan, budget="units"):
    """The Widths of a plan of a followed network; `budget` is that of `pruning.plan`."""
    empty = pruning.collapsed(flow.model, plan)
    return Widths(
        units=pruning.units_of(ranking, plan),
        realised=pruning.realised(ranking, plan, budget, flow),
        cost=flow.counter.left(pruning.bundles(flow, plan)),
        empty=empty,
        constant=bool(empty) and pruning.is_constant(flow, plan),
    )


def measured(model, shown, precision, images_per_batch):
    """The `evaluation.Measured` of a model on all images of a split, BatchNorm folded as in every evaluation."""
    device = next(model.parameters()).device
    folded = folding.folded(model, strict=False)
    facts = quick.facts(folded, shown.normalised(slice(0, 1)).to(device))
    batches = images.batches(shown, images_per_batch)
    shown_batches = ((pixels.to(device), labels.to(device)) for _, pixels, labels in batches)
    return evaluation.in_precision(folded, precision, facts, shown_batches)


def save(path, model, about, plan):
    """Write a smaller network; `about` is that of the dense network's checkpoint, and what else is worth keeping."""
    removed = {layer: [int(index) for index in indices] for layer, indices in plan.items()}
    checkpoints.save(path, model, about | {"removed": removed})


def load(path, device="cpu"):
    """(smaller model in eval mode, about) of a file that `save` wrote; ValueError for any other.

    `about["removed"]` says which of the dense network's channels it lacks.
    """
    content = checkpoints.read(path)
    about = content.get("about", {}) if isinstance(content, dict) else {}
    if "removed" not in about:
        raise ValueError(f"{path} is no retrained network of this workflow; checkpoints.load reads dense ones")
    if about.get("constant"):
        empty = ", ".join(about["empty"])
        raise ValueError(f"{path} holds no network: nothing was left of {empty}, so that nothing was retrained")
    # Not on the meta device, because a branch that lost its layers keeps their biases.
    with torch.random.fork_rng(devices=[]):
        dense = models.described(about, len(about["classes"]))
    smaller = narrowed(dense, about["removed"], about)
    return checkpoints.adopt(smaller, path, content["state_dict"]).to(device).eval(), about


def save_nothing(path, about, plan, empty):
    """Write what stands for a network that was not retrained because nothing is left of these layers."""
    removed = {layer: [int(index) for index in indices] for layer, indices in plan.items()}
    checkpoints.write(path, {"state_dict": {}, "about": about | {"removed": removed, "constant": True, "empty": empty}})
