"""Tickets: the first weights that masks leave, as they were or drawn anew, and what is left of the masks themselves.

Frankle and Carbin (2019) train a network, close its smallest weights, and take the others back to their first values.
"""

import torch
from torch import Tensor, nn

from secateur.models import first_values
from secateur.models.description import NetworkDescription
from secateur.sparsity import masks as masking
from secateur.sparsity.masks import Masks
from secateur.sparsity.weights import prunable
from secateur.study import seeds

# Kinds of which some values come from a network that is built anew.
FRESH = ("random", "sign", "random_scaled")


@torch.no_grad()
def reinitialised(
    model: nn.Module, described: NetworkDescription, masks: Masks, kind: str, seed: int
) -> tuple[nn.Module, Masks]:
    """(the model, its masks) as a ticket of a kind, in place: weights that are not left are zero.

    The model has its first weights; biases, and the parameters of other layers, stay as they are. `seed` is that of all
    draws of one network. The masks are others only for `mask_shuffled`.
    """
    weights = prunable(model)
    if kind == "mask_shuffled":
        masks = {name: _shuffled(mask, seed, name) for name, mask in masks.items()}
    elif kind == "layer_permuted":
        for name, weight in weights.items():
            generator = seeds.torch_generator(seed, "layer", name)
            weight.copy_(first_values.permuted(weight.flatten().cpu(), generator).view_as(weight))
    else:
        drawn = first_values.fresh(described, weights, seed) if kind in FRESH else {}
        for name, weight in weights.items():
            values = _values(weight.cpu(), drawn.get(name), masks[name], kind, seed, name)
            weight[masks[name]] = values.to(weight.device)
    masking.close(model, masks)
    return model, masks


def _shuffled(mask, seed, name):
    """As many weights of a layer, at other positions."""
    return first_values.permuted(mask.flatten(), seeds.torch_generator(seed, "mask", name)).view_as(mask)


def _values(first: Tensor, drawn: Tensor | None, mask: Tensor, kind: str, seed: int, name: str) -> Tensor:
    """(left,) the values of one weight."""
    fresh = first if drawn is None else drawn
    # Of the scheme, also where the first values are those of a later epoch.
    layer = first_values.Layer(name, first[mask], fresh[mask], fresh.std(correction=0).item(), seed)
    return first_values.VALUES[kind](layer)
