"""Pruned and retrained networks on disk: their widths, their weights, what was measured of them."""

import dataclasses

import torch

from secateur import Refused, cost
from secateur.evaluation import fast_layers, low_precision
from secateur.graph import folding
from secateur.images import store
from secateur.models import checkpoints, description, state_dicts, tensor_files
from secateur.pruning import bundling, plans
from secateur.retraining import steps


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
    empty = bundling.collapsed(flow.model, plan)
    return Widths(
        units=plans.units_of(ranking, plan),
        realised=plans.realised(ranking, plan, budget, flow),
        cost=flow.counter.left(bundling.bundles(flow, plan)),
        empty=empty,
        constant=bool(empty) and bundling.is_constant(flow, plan),
    )


def measured(model, shown, precision, images_per_batch):
    """The `measuring.Measured` of a model on all images of a split, BatchNorm folded as in every evaluation."""
    device = next(model.parameters()).device
    folded = folding.folded(model, strict=False)
    facts = fast_layers.facts(folded, shown.normalised(slice(0, 1)).to(device))
    batches = store.batches(shown, images_per_batch)
    shown_batches = ((pixels.to(device), labels.to(device)) for _, pixels, labels in batches)
    return low_precision.in_precision(folded, precision, facts, shown_batches)


def save(path, model, about, plan):
    """Write a smaller network; `about` is that of the dense network's checkpoint, and what else is worth keeping."""
    removed = {layer: [int(index) for index in indices] for layer, indices in plan.items()}
    checkpoints.save(path, model, about | {"removed": removed})


def load(path, device="cpu"):
    """(smaller model in eval mode, about) of a file that `save` wrote; Refused for any other.

    `about["removed"]` says which of the dense network's channels it lacks.
    """
    content = tensor_files.read(path)
    about = content.get("about", {}) if isinstance(content, dict) else {}
    if "removed" not in about:
        raise Refused(f"{path} is no retrained network of this workflow; checkpoints.load reads dense ones")
    if about.get("constant"):
        empty = ", ".join(about["empty"])
        raise Refused(f"{path} holds no network: nothing was left of {empty}, so that nothing was retrained")
    # Not on the meta device, because a branch that lost its layers keeps their biases.
    with torch.random.fork_rng(devices=[]):
        dense = description.described(about, len(about["classes"]))
    smaller = steps.narrowed(dense, about["removed"], about)
    return state_dicts.adopt(smaller, path, content["state_dict"]).to(device).eval(), about


def save_nothing(path, about, plan, empty):
    """Write what stands for a network that was not retrained because nothing is left of these layers."""
    removed = {layer: [int(index) for index in indices] for layer, indices in plan.items()}
    tensor_files.write(
        path, {"state_dict": {}, "about": about | {"removed": removed, "constant": True, "empty": empty}}
    )
