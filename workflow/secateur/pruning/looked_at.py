"""A network and what plans leave of it, looked at through their relevance at the input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from secateur.pruning import groups, removal
from secateur.relevance import at_input, examples
from secateur.units import coupling

if TYPE_CHECKING:
    import pandas

# Channels that a ranking removes first, and as many that it removes last, of which patches are shown.
ENDS = 4


class LookedAt(NamedTuple):
    """Arrays of the comparison, the plans without relevance, and the channels whose peaks were looked for."""

    found: at_input.Found
    constant: list[str]  # plans that leave a network with one answer for all images
    refused: dict[str, str]  # {plan: the reason why relevance cannot pass through what it leaves}
    channels: list[tuple[str, int]]  # those cut first, then those cut last


def compared(
    model: nn.Module,
    plans: Mapping[str, dict[str, list[int]]],
    reading: Mapping[str, Any],
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    example: torch.Tensor,
    right: int,
    ranking: pandas.DataFrame | None = None,
) -> LookedAt:
    """Compare the relevance at the input of a network and of what is left by `plans`, {name: {layer: [index, ...]}}.

    `reading` holds rule, bias, pool and seed; `batches` yields images (n, C, H, W) and labels (n,), and `example` is a
    small batch of such images. `right` is the count of shown images that the network answers right. Of a `ranking`
    table, its first and last channels are looked at too: the first of each unit that has a map of several positions.
    Raises Refused where relevance cannot pass through the network itself.
    """
    coupled = coupling.followed(model, example)
    dense = at_input.of_reading(model, reading)
    maps, _, _ = dense(example)
    channels = [] if ranking is None else _ends(ranking, maps)
    smaller, constant, refused = [], [], {}
    for name, removed in plans.items():
        propagator = None
        if groups.is_constant(coupled, removed):
            constant.append(name)
        else:
            narrowed = removal.narrowed(model, removed, coupled).eval()
            propagator, reason = at_input.tried(narrowed, reading, example)
            refused |= {name: reason} if reason else {}
        smaller.append(propagator)
    found = at_input.compared(dense, smaller, batches, right, channels)
    return LookedAt(found, constant, refused, channels)


def _ends(ranking: pandas.DataFrame, maps: Mapping[str, torch.Tensor]) -> list[tuple[str, int]]:
    """The channels at both ends of a ranking, of layers with several positions."""
    spatial = [layer for layer, R in maps.items() if R[0, 0].numel() > 1]
    rows = ranking[ranking["layer"].isin(spatial)].drop_duplicates("unit")
    channels: Sequence[tuple[str, int]] = list(zip(rows["layer"].tolist(), rows["channel"].tolist(), strict=True))
    return examples.first_and_last(channels, ENDS)
