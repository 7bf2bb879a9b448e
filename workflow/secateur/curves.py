"""One ranking's curve: the network at every level, each evaluated as the smaller network it is."""

import dataclasses

import torch

from secateur import cost, evaluation, folding, graph, levels, pruning

# Removal and masking compute the same sums in another order; more than this share of the logits' range is an error.
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class Point:
    """A network at one level. `removed` is {layer: share of its channels}, `empty` the layers with none left.

    `deviation` is the largest difference between the removed and the masked network's logits on one batch, as a
    share of the logits' range; None where a layer is empty and there is nothing to compare.
    """

    level: float
    units: int
    realised: float
    removed: dict
    empty: list
    cost: cost.Cost
    measured: evaluation.Measured
    deviation: float | None


def points(model, ranking, wanted, batches, labels, check):
    """A Point for each wanted level of a ranking table.

    `batches()` yields (images, labels) anew, `labels` are all of them, (N,), and `check` is a small batch of images
    on which removal is compared with masking at every level.
    """
    folded, links = folding.folded(model), graph.links(model)
    # Folding leaves an Identity where a BatchNorm stood: nothing there to silence or to narrow.
    bare = [dataclasses.replace(link, norms=()) for link in links]
    positions = cost.positions(model, check)
    total, widths = ranking["unit"].nunique(), ranking.groupby("layer").size()
    for level in wanted:
        channels = pruning.plan(ranking, level)
        count = levels.removed_at(level, total)
        measured, empty, deviation = _measured(folded, bare, channels, batches, labels, check)
        yield Point(
            level=level,
            units=count,
            realised=count / total,
            removed={link.layer: len(channels.get(link.layer, [])) / widths[link.layer] for link in links},
            empty=empty,
            cost=cost.of_positions(pruning.narrowed(model, channels, links), positions),
            measured=measured,
            deviation=deviation,
        )


def _measured(folded, links, channels, batches, labels, check):
    """(Measured, empty layers, deviation) of one plan."""
    empty = pruning.collapsed(folded, channels)
    with torch.no_grad(), pruning.masked(folded, channels, links) as silenced:
        logits = silenced(check)
    if empty:
        return evaluation.constant(logits[0].cpu(), labels), empty, None
    smaller = pruning.narrowed(folded, channels, links)
    with torch.no_grad():
        deviation = float((smaller(check) - logits).abs().max() / (logits.max() - logits.min()))
    if not deviation <= TOLERANCE:
        raise RuntimeError(
            f"the network with channels removed differs from the masked one by {deviation:.3g} of the logits' range; "
            "this is a fault of secateur's: please report it with the model and the ranking"
        )
    return evaluation.over(smaller, batches()), empty, deviation
