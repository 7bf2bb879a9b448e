"""A network at the levels of a ranking, each evaluated as the smaller network it is."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from secateur import Refused, cost
from secateur.evaluation import fast_layers, low_precision, measuring
from secateur.graph import folding
from secateur.pruning import bundling, masking, plans, removal
from secateur.study import levels
from secateur.units import coupling

if TYPE_CHECKING:
    import pandas

    from secateur.pruning.plan_cache import Store

# Removal and masking compute the same sums in another order: what may differ, as a share of the logits' range. Where
# float32 differs by more, float64 tells rounding from a fault.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}


@dataclasses.dataclass(frozen=True)
class Point:
    """A network at one level.

    `units` is how many it lost, `realised` the share of what the budget counts, `removed` {layer: share of its
    channels}, `empty` the layers with none left.

    `deviation` is the largest difference between the removed and the masked network's logits on one batch, as a
    share of the logits' range; None where every image is answered alike and there is nothing to compare.
    """

    level: float
    units: int
    realised: float
    removed: dict[str, float]
    empty: list[str]
    cost: cost.Cost
    measured: measuring.ByImage
    deviation: float | None


class Network:
    """A network made ready to be evaluated with many sets of channels removed.

    BatchNorm is folded where it can be, copies of a 1x1 map are merged, and the graph is followed once. `batches()`
    yields (images, labels) anew; `labels` are all of them, (N,); on `check`, a small batch of images (n, C, H, W),
    removal is compared with masking, in the network's own precision, whatever `precision` evaluates. `store` keeps
    results, if given.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Callable[[], Iterable[tuple[torch.Tensor, torch.Tensor]]],
        labels: np.ndarray,
        check: torch.Tensor,
        precision: str = "float32",
        store: Store | None = None,
    ) -> None:
        self.coupled = coupling.followed(model, check)
        self.model, self.check = model, check
        self.folded = folding.copies_merged(folding.folded(model, strict=False), check)
        # Folding leaves an Identity where a BatchNorm stood: nothing there to silence or to narrow.
        self.bare = coupling.followed(self.folded, check)
        self.batches, self.labels, self.precision, self.store = batches, labels, precision, store
        self.facts = fast_layers.facts(self.folded, check)

    def points(
        self, ranking: pandas.DataFrame, wanted: Iterable[float], terms: levels.Terms = levels.PLAIN
    ) -> Iterator[Point]:
        """A Point for each wanted level of a ranking table, by the `levels.Terms` of `pruning.plan`.

        Raises Refused if the ranking is not of this network's channels, or if a level cannot be met.
        """
        self._refuse_foreign(ranking)
        ranked = {*self.coupled.convolutions, *ranking["layer"]}
        widths = {layer: width for layer, width in bundling.widths(self.coupled, {}).items() if layer in ranked}
        for level in wanted:
            channels = plans.plan(ranking, level, terms, self.coupled)
            measured, empty, deviation = self.evaluated(channels)
            yield Point(
                level=level,
                units=plans.units_of(ranking, channels),
                realised=plans.realised(ranking, channels, terms.budget, self.coupled),
                removed={layer: len(channels.get(layer, [])) / width for layer, width in widths.items()},
                empty=empty,
                cost=self.coupled.counter.left(bundling.bundles(self.coupled, channels)),
                measured=measured,
                deviation=deviation,
            )

    def evaluated(self, channels: dict[str, list[int]]) -> tuple[measuring.ByImage, list[str], float | None]:
        """(Measured, empty layers, deviation) with `channels`, {layer: [index, ...]}, removed."""
        empty = bundling.collapsed(self.folded, channels)
        known = self.store.get(channels) if self.store else None
        measured, deviation = known or self._measured(channels)
        if self.store and not known:
            self.store.put(channels, measured, deviation)
        return measured, empty, deviation

    def _measured(self, channels):
        """(Measured, deviation) of channels that have to be evaluated; where all images are alike, none is needed."""
        if bundling.is_constant(self.bare, channels):
            with torch.no_grad(), masking.masked(self.folded, channels, self.bare) as silenced:
                return measuring.constant(silenced(self.check[:1])[0].cpu(), self.labels), None
        smaller, deviation = _removed_and_compared(self.folded, channels, self.bare, self.check)
        if deviation > TOLERANCE[self.check.dtype]:
            _, exact = _removed_and_compared(
                copy.deepcopy(self.folded).double(), channels, self.bare, self.check.double()
            )
            if exact > TOLERANCE[torch.float64]:
                raise RuntimeError(
                    f"the network with channels removed differs from the masked one by {exact:.3g} of the logits' "
                    "range; this is a fault of secateur's: please report it with the model and the ranking"
                )
        return low_precision.in_precision(smaller, self.precision, self.facts, self.batches()), deviation

    def _refuse_foreign(self, ranking):
        """A ranking of another architecture would be evaluated half, or not at all.

        What an addition joins may be ranked or not, and so may features of linear layers: these are the settings
        `criteria.residual` and `criteria.linear`.
        """
        own, joined, hidden = set(), set(), set()
        for layer in self.coupled.listed:
            bundles = self.coupled.outputs[layer]
            for index in np.flatnonzero(self.coupled.own(layer) & ~self.coupled.protected[bundles]).tolist():
                bundle = bundles[index]
                # What is both is ranked only if both are.
                if self.coupled.added[bundle]:
                    joined.add((layer, index))
                else:
                    (hidden if self.coupled.hidden[bundle] else own).add((layer, index))
        given = list(zip(ranking["layer"], ranking["channel"], strict=True))
        for optional in (joined, hidden):
            own |= optional if optional & set(given) else set()
        odd = sorted(own ^ set(given))
        if odd or len(given) != len(own):
            where = f"channel {odd[0][1]} of layer {odd[0][0]}" if odd else "a channel that it names twice"
            raise Refused(
                f"the ranking has {len(given)} channels and the network {len(own)} that can be removed; the first that "
                f"differs is {where}: rank this very network"
            )


@torch.no_grad()
def _removed_and_compared(model, channels, coupled, check):
    """(the smaller network, how far its logits on `check` are from the masked one's as a share of their range)."""
    with masking.masked(model, channels, coupled) as silenced:
        logits = silenced(check)
    smaller = removal.narrowed(model, channels, coupled)
    return smaller, float((smaller(check) - logits).abs().max() / (logits.max() - logits.min()))
