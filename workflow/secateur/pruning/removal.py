"""Remove channels for good: a new, smaller model."""

import torch
from torch import nn

from secateur import Refused
from secateur.pruning import bundling, layers, rewriting
from secateur.units import coupling


def removed(
    model: nn.Module, channels: dict[str, list[int]], example: torch.Tensor, coupled: coupling.Coupling | None = None
) -> nn.Module:
    """A new, smaller model without `channels`, {layer: [index, ...]}; the given one is untouched.

    `example` is a batch (N, C, H, W), on which the new model is run once. It is of the same class; where the forward
    has numbers of channels written into it (padded shortcuts, views, slices), or a branch has nothing left but its
    biases, it is a torch.fx.GraphModule with the same parameter names. Raises Refused if no path is left from the
    images to the output: such a network answers every image alike. Also as `masked` does.
    """
    coupled = coupled or coupling.followed(model, example)
    gone = bundling.bundles(coupled, channels)
    after = rewriting.After(coupled, gone)
    if after.constant:
        empty = ", ".join(bundling.collapsed(model, channels) or after.hollow)
        raise Refused(f"nothing would be left of {empty}; keep at least one channel of each layer")
    smaller = narrowed(model, channels, coupled)
    with torch.no_grad():
        smaller.eval()(example[:1])
    return smaller


def narrowed(model: nn.Module, channels: dict[str, list[int]], coupled: coupling.Coupling | None = None) -> nn.Module:
    """The smaller model of `removed`, not run; where it would answer every image alike, only good for counting."""
    coupled = coupled or coupling.followed(model)
    gone = bundling.bundles(coupled, channels)
    smaller = layers.with_smaller_layers(model, coupled, gone)
    after = rewriting.After(coupled, gone)
    return smaller if after.constant else rewriting.fitted(after, smaller)
