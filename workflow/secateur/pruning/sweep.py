"""A network swept over the levels of a ranking: at each, the smaller network is built and evaluated.

With recoveries, it is evaluated once more after each: as pruning left it, and with what it can get back.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from secateur import Refused, cost
from secateur.evaluation import fast_layers, low_precision, measuring
from secateur.graph import folding, modes
from secateur.pruning import groups, masking, plans, removal
from secateur.pruning.treatments import Treatment
from secateur.study import kinds, levels
from secateur.units import coupling

if TYPE_CHECKING:
    import pandas

    from secateur.pruning.plan_cache import Store

# Removal and masking compute the same sums in different orders. These differences, as shares of the logits' range, are
# rounding; where float32 differs by more, float64 tells rounding from a fault.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}


@dataclasses.dataclass(frozen=True)
class Point:
    """A network at one level, after one recovery."""

    recovery: str
    level: float
    units: int  # count of removed units
    realised: float  # removed share of what the budget counts
    removed: dict[str, float]  # {layer: removed share of its channels}
    empty: list[str]  # layers without channels
    cost: cost.Cost
    measured: measuring.ByImage
    # Largest difference between the logits of the smaller and of the masked network on one batch, before any recovery,
    # as a share of their range; None where all images get the same logits and there is nothing to compare.
    deviation: float | None


class Network:
    """A network prepared for evaluation with many sets of channels removed.

    BatchNorm is folded where it can be, copies of a 1x1 feature map are merged, and the graph is followed once. Each
    call of `batches()` yields (images, labels) from the start; `labels` are all of them, (N,). On `check`, a small
    batch of images (n, C, H, W), removal is compared with masking in the network's own precision, whatever the
    `precision` of the evaluation. `store` caches results. `treatments` are the recoveries beside `none`, by name.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Callable[[], Iterable[tuple[torch.Tensor, torch.Tensor]]],
        labels: np.ndarray,
        check: torch.Tensor,
        precision: str = "float32",
        store: Store | None = None,
        treatments: Mapping[str, Treatment] | None = None,
    ) -> None:
        self.coupled = coupling.followed(model, check)
        self.model, self.check = model, check
        self.folded = folding.copies_merged(folding.folded(model, strict=False), check)
        # Folding leaves an Identity in place of a BatchNorm: it has nothing to mask or to narrow.
        self.folded_coupled = coupling.followed(self.folded, check)
        self.batches, self.labels = batches, labels
        self.precision, self.store = precision, store
        self.treatments: dict[str, Treatment | None] = {kinds.NONE.name: None, **(treatments or {})}
        self.replaceable = fast_layers.replaceable(self.folded, check)

    def points(
        self, ranking: pandas.DataFrame, wanted: Iterable[float], terms: levels.Terms = levels.PLAIN
    ) -> Iterator[Point]:
        """A Point for each recovery and wanted level of a ranking table, by the `levels.Terms` of `pruning.plan`.

        Raises Refused if the ranking is not of this network's channels, or if a level cannot be met.
        """
        self._refuse_foreign(ranking)
        ranked = {*self.coupled.convolutions, *ranking["layer"]}
        widths = groups.widths(self.coupled, {})
        by_level = {level: plans.plan(ranking, level, terms, self.coupled) for level in wanted}
        for recovery, (level, channels) in itertools.product(self.treatments, by_level.items()):
            measured, empty, deviation = self.evaluated(channels, recovery)
            yield Point(
                recovery=recovery,
                level=level,
                units=plans.units_of(ranking, channels),
                realised=plans.realised(ranking, channels, terms.budget, self.coupled),
                removed={layer: len(channels.get(layer, [])) / widths[layer] for layer in widths if layer in ranked},
                empty=empty,
                cost=self.coupled.counter.left(groups.removed_by(self.coupled, channels)),
                measured=measured,
                deviation=deviation,
            )

    def evaluated(
        self, channels: dict[str, list[int]], recovery: str = kinds.NONE.name
    ) -> tuple[measuring.ByImage, list[str], float | None]:
        """(Measured, empty layers, deviation) with `channels`, {layer: [index, ...]}, removed, after a recovery."""
        empty = groups.collapsed(self.folded, channels)
        treatment = self.treatments[recovery]
        stamp = treatment.stamp if treatment else None
        cached = None
        if self.store:
            cached = self.store.get(channels, stamp)
        measured, deviation = cached or self._after(channels, treatment)
        if self.store and not cached:
            self.store.put(channels, measured, deviation, stamp)
        return measured, empty, deviation

    def _after(self, channels, treatment):
        """(Measured, deviation) of a plan after a treatment, or of the network as pruned for None."""
        if treatment:
            return self._treated(channels, treatment)
        return self._measured(channels)

    def _measured(self, channels):
        """(Measured, deviation) of a plan; no images are evaluated where all of them get the same logits."""
        if groups.is_constant(self.folded_coupled, channels):
            with torch.no_grad(), masking.masked(self.folded, channels, self.folded_coupled) as masked:
                return measuring.constant(masked(self.check[:1])[0].cpu(), self.labels), None
        smaller, deviation = _removed_and_compared(self.folded, channels, self.folded_coupled, self.check)
        if deviation > TOLERANCE[self.check.dtype]:
            self._refuse_fault(self.folded, channels, self.folded_coupled)
        return low_precision.in_precision(smaller, self.precision, self.replaceable, self.batches()), deviation

    def _treated(self, channels, treatment):
        """(Measured, deviation) of a plan after a treatment, of which BatchNorm is folded last.

        The deviation is that of the network before it: masking is no oracle of what a treatment changes. Everything is
        computed as of a network of retraining, so that equal networks have equal results to the last digit.
        """
        if groups.is_constant(self.coupled, channels):
            return self._constant_after(channels, treatment), None
        smaller, deviation = _removed_and_compared(self.model, channels, self.coupled, self.check)
        if deviation > TOLERANCE[self.check.dtype]:
            self._refuse_fault(self.model, channels, self.coupled)
        treatment.apply(smaller, channels)
        return low_precision.of_unfolded(smaller, self.precision, self.check[:1], self.batches()), deviation

    def _constant_after(self, channels, treatment):
        """The Measured of a network that gives all images the same logits, which a treatment can change.

        Without a path from the images to the logits no smaller network can be run; the masked one computes the same.
        """
        with masking.masked(self.model, channels, self.coupled) as masked:
            treated = copy.deepcopy(masked)
        if not treatment.trains:
            treatment.apply(treated, {})
        with torch.no_grad(), modes.evaluating(treated):
            return measuring.constant(treated(self.check[:1])[0].cpu(), self.labels)

    def _refuse_fault(self, model, channels, coupled):
        """Compare removal and masking in float64, where rounding explains far less."""
        exact = copy.deepcopy(model).double()
        _, deviation = _removed_and_compared(exact, channels, coupled, self.check.double())
        if deviation > TOLERANCE[torch.float64]:
            raise RuntimeError(
                f"the network with channels removed differs from the masked one by {deviation:.3g} of the logits' "
                "range; this is a fault of secateur's: please report it with the model and the ranking"
            )

    def _refuse_foreign(self, ranking):
        """Refuse a ranking of other channels, such as one of another architecture.

        Channels that additions join may be ranked or not, and so may features of linear layers: by the settings
        `criteria.residual` and `criteria.linear`.
        """
        listed = list(zip(ranking["layer"], ranking["channel"], strict=True))
        needed, *optional = self._rankable()
        for channels in optional:
            if channels & set(listed):
                needed |= channels
        differing = sorted(needed ^ set(listed))
        if not differing and len(listed) == len(needed):
            return
        first = "a channel that it names twice"
        if differing:
            layer, index = differing[0]
            first = f"channel {index} of layer {layer}"
        raise Refused(
            f"the ranking has {len(listed)} channels and the network {len(needed)} that can be removed; the first that "
            f"differs is {first}: rank this very network"
        )

    def _rankable(self):
        """Three sets of (layer, index) that can be removed: those that additions join, hidden features, and the others.

        The others come first; a channel that is both joined and hidden counts as joined.
        """
        coupled = self.coupled
        others, joined, hidden = set(), set(), set()
        for layer in coupled.listed:
            ids = coupled.outputs[layer]
            for index in np.flatnonzero(coupled.own(layer) & ~coupled.protected[ids]).tolist():
                if coupled.added[ids[index]]:
                    joined.add((layer, index))
                elif coupled.hidden[ids[index]]:
                    hidden.add((layer, index))
                else:
                    others.add((layer, index))
        return others, joined, hidden


@torch.no_grad()
def _removed_and_compared(model, channels, coupled, check):
    """(smaller network, largest difference of its logits from the masked ones, as a share of their range)."""
    with modes.evaluating(model), masking.masked(model, channels, coupled) as masked:
        logits = masked(check)
    smaller = removal.narrowed(model, channels, coupled).eval()
    return smaller, float((smaller(check) - logits).abs().max() / (logits.max() - logits.min()))
