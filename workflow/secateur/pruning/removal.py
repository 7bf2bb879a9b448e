"""Remove channels for good: a new, smaller model."""

import torch
from torch import nn

from secateur import Refused
from secateur.pruning import groups, layers, pruned_graph, rewriting
from secateur.units import coupling


def removed(
    model: nn.Module, channels: dict[str, list[int]], example: torch.Tensor, coupled: coupling.Coupling | None = None
) -> nn.Module:
    """A new, smaller model without `channels`, {layer: [index, ...]}; the given model is unchanged.

    `example` is a batch (N, C, H, W), on whose first image the new model is run once. It is of the same class; where
    the forward has channel counts written into it (padded shortcuts, views, slices), or a branch has nothing left but
    its biases, it is a torch.fx.GraphModule with the same parameter names. Raises Refused as `masked` does, and if no
    path is left from the images to the output: such a network gives all images the same logits.
    """
    coupled = coupled or coupling.followed(model, example)
    pruned = pruned_graph.PrunedGraph(coupled, groups.removed_by(coupled, channels))
    if pruned.constant:
        empty = ", ".join(groups.collapsed(model, channels) or pruned.hollow)
        raise Refused(f"nothing would be left of {empty}; keep at least one channel of each layer")
    smaller = narrowed(model, channels, coupled)
    with torch.no_grad():
        # A copy: a network may overwrite what it gets.
        smaller.eval()(example[:1].clone())
    return smaller


def narrowed(model: nn.Module, channels: dict[str, list[int]], coupled: coupling.Coupling | None = None) -> nn.Module:
    """The smaller model of `removed`, not run.

    Where no path is left from the images to the output, its layers can be counted, but it may not run.
    """
    coupled = coupled or coupling.followed(model)
    pruned = pruned_graph.PrunedGraph(coupled, groups.removed_by(coupled, channels))
    smaller = layers.with_smaller_layers(model, coupled, pruned.removed)
    if pruned.constant:
        return smaller
    return rewriting.fitted(pruned, smaller)
