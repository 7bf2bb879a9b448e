"""The facts of an exported network's card and manifest."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from secateur.models.description import NetworkDescription
from secateur.study.levels import Terms


@dataclass(frozen=True)
class NetworkFacts:
    """The size of one network and its performance on the test images, as evaluated in the study."""

    accuracy: float  # a fraction
    low: float  # lower bound of Wilson's interval of the accuracy
    high: float  # upper bound of it
    loss: float  # mean cross-entropy, in nats
    by_class: dict[str, float]  # {class: accuracy}, NaN without images
    parameters: int | None = None  # count; unknown for the network before it was retrained, as are the next two
    macs: int | None = None  # multiply-adds for one image
    bytes: int | None = None  # size of the checkpoint; of the dense network alone


@dataclass(frozen=True)
class Change:
    """A change of the accuracy against the dense network, on the same test images."""

    value: float  # a difference of fractions, negative where the dense network is better
    low: float  # lower bound of its paired bootstrap interval
    high: float  # upper bound of it


@dataclass(frozen=True)
class AccuracyFacts:
    """The comparison of the accuracies of the dense and of the exported network."""

    change: Change
    precision: str  # arithmetic of the evaluations: "float32", "bfloat16", or several joined by "and"
    confidence: float  # of all intervals, a fraction
    resamples: int  # draws of the bootstrap


@dataclass(frozen=True)
class BatchLatency:
    """The latency of both networks for batches of one size, over pairs of runs."""

    batch: int  # images
    pairs: int  # count of pairs of runs
    dense_ms: float  # median of the dense network, in milliseconds for a batch
    smaller_ms: float  # median of the exported network, likewise
    ratio: float  # median over pairs of the dense network's time as a multiple of the other's
    ratio_low: float  # first quartile of the ratio
    ratio_high: float  # third quartile of it
    threads: int  # of torch
    clock: str  # the kind of time, in words


@dataclass(frozen=True)
class DataFacts:
    """The source of the images."""

    name: str  # of the study's dataset
    title: str
    licence: str
    citation: str
    images: int  # count of the test images


@dataclass(frozen=True)
class UnitCounts:
    """The units of the dense network."""

    removed: int
    all: int


@dataclass(frozen=True)
class SparseFacts:
    """The zeros of a sparse network as it was trained, and of the files beside the card, without its silent units."""

    variant: str  # its name in the study
    options: dict[str, Any]  # of the variant
    weights: int  # count of all weights of convolutions and linear layers
    zeros: int
    silent: int  # units that add nothing to its output
    weights_left: int  # count of these weights in the exported network
    zeros_left: int
    macs_left: int  # multiply-adds for one image by its weights that are not zero
    dense_packed: int  # bytes of the dense network's checkpoint as zlib packs it
    packed: int  # bytes of the exported weights, likewise
    empty: list[str]  # layers without weights


@dataclass(frozen=True)
class Facts:
    """All facts of a card; with the provenance of its job, they are the manifest of the export."""

    description: NetworkDescription  # of the dense network
    training: dict[str, Any]  # facts of its checkpoint: epoch, history of the kept epoch
    criterion: str  # name of the ranking
    level: float  # requested share of what the budget of the terms counts
    realised: float  # removed share of it
    terms: Terms
    kind: str  # of retraining, a name in KINDS
    schedule: str  # of retraining, in words; empty without
    ranked_on: str | None  # split of the ranking's images; "none" without images, None where a file was given
    ranked_on_choosing: bool  # whether criteria are chosen on the same images
    origin: str  # a sentence on first weights from elsewhere; empty without
    data: DataFacts
    units: UnitCounts
    widths: dict[str, list[int]]  # {layer: [channels in the dense network, in the exported one]}
    dense: NetworkFacts
    smaller: NetworkFacts  # the exported network
    accuracy: AccuracyFacts
    images: int  # count of test images on which the network read back from its files was evaluated
    agreeing: int  # of these, right or wrong as in the study's evaluation
    latency: Sequence[BatchLatency]  # one of each batch size
    processor: str  # its name
    files: dict[str, int]  # {file: bytes}
    differences: dict[str, float]  # {file: largest difference from torch's logits, as a share of their range}
    checked: int  # count of test images on which the files were compared with torch
    tolerance: float  # a larger difference is refused
    seed: int  # of the training
    study: str
    secateur: str  # version
    versions: dict[str, str]  # {library: version}
    pruned: NetworkFacts | None = None  # the smaller network before it was retrained; None if it was not
    sparse: SparseFacts | None = None  # of a network that was trained to be sparse


def manifest(facts: Facts) -> dict[str, Any]:
    """The facts as plain data, under the keys of the manifest."""
    data = dataclasses.asdict(facts)
    del data["description"], data["training"], data["pruned"]
    if facts.sparse is None:
        del data["sparse"]
    data["about"] = facts.description.as_dict() | facts.training
    for name in ("dense", "pruned", "smaller"):
        network = getattr(facts, name)
        if network is not None:
            data[name] = {key: value for key, value in vars(network).items() if value is not None}
    return data
