"""The parts of a card that differ for a sparse network: its title, opening, size and making."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas

from secateur.export import wording
from secateur.export.card_facts import Facts, SparseFacts

UNTESTED = "Sparse kernels and sparse formats: what they would save of time and memory."


def title(facts: Facts, sparse: SparseFacts) -> str:
    """The name of the network, its images, and its share of zeros."""
    share = wording.percent(sparse.zeros / sparse.weights)
    return f"{facts.description.name} on {facts.data.name}, {share} of its weights zero"


def opening(facts: Facts, sparse: SparseFacts) -> Iterator[tuple[str, Any]]:
    """The share of zeros, the accuracy, and the speed, which zeros do not change."""
    removed = "No unit was silent"
    if facts.units.removed:
        removed = (
            f"{wording.grouped(facts.units.removed)} of {wording.grouped(facts.units.all)} units, which added nothing "
            "to its output, were removed"
        )
    elif sparse.silent:
        removed = (
            f"{wording.grouped(sparse.silent)} of {wording.grouped(facts.units.all)} units add nothing to its output, "
            "but without them nothing would be left between image and answer: it is exported whole, and gives all "
            "images the same answer"
        )
    yield (
        "text",
        f"{wording.grouped(sparse.zeros)} of {wording.grouped(sparse.weights)} weights of its convolutions and linear "
        f"layers are zero, trained so by the variant `{sparse.variant}`. {removed}. {wording.compared(facts)}",
    )
    yield (
        "text",
        "Zeros without a pattern make nothing faster on hardware that computes with dense tensors: its time is that of "
        f"the dense network divided by {wording.ratios(facts)}. What they save is in the packed file, and in "
        "multiply-adds where kernels are sparse.",
    )


def size(facts: Facts, sparse: SparseFacts) -> Iterator[tuple[str, Any]]:
    """Parameters and multiply-adds of the exported network, as dense hardware computes it and without its zeros."""
    dense, smaller = facts.dense, facts.smaller
    rows = [
        {"": "parameters"} | wording.shrunk(dense.parameters, smaller.parameters),
        {"": "multiply-adds for one image"} | wording.shrunk(dense.macs, smaller.macs),
        {"": "weights that are not zero"} | wording.shrunk(sparse.weights, sparse.weights_left - sparse.zeros_left),
        {"": "multiply-adds by these"} | wording.shrunk(dense.macs, sparse.macs_left),
        {"": "bytes of the packed weights"} | wording.shrunk(sparse.dense_packed, sparse.packed),
    ]
    yield "table", pandas.DataFrame(rows)


def making(facts: Facts, sparse: SparseFacts) -> Iterator[tuple[str, Any]]:
    """The training and its variant."""
    yield (
        "text",
        f"Trained with seed {facts.seed} from the first weights of the dense network, by its schedule and on the same "
        f"images in the same order, epoch {facts.training['epoch']} kept. {facts.origin}".rstrip(),
    )
    given = {key: value for key, value in sparse.options.items() if value is not None}
    settings = [{"setting": f"`{key}`", "value": str(value)} for key, value in given.items()]
    yield "text", f"Settings of the variant `{sparse.variant}`, level {facts.level:g}:"
    yield "table", pandas.DataFrame(settings)
    if sparse.empty:
        yield "text", f"**Nothing is left of the layers {', '.join(sparse.empty)}.**"
    yield "text", wording.made_by(facts)
