"""The columns of the tables of a study, each with its meaning.

A name that ends in `*` stands for a column of each class or layer.
"""

from collections.abc import Iterable

_NETWORK = {"seed": "seed of the network's training"}
_CELL = {
    "criterion": "the criterion whose ranking was cut; a control or a learned criterion with its draw",
    "recovery": "treatment of the pruned network before its test; `none` is as pruning left it",
    "budget": "what a level is a share of: units, parameters or macs",
    "keep_at_least": "floor: the share (below 1) or count of its channels that every layer keeps",
    "level": "share of the budget that was asked to be removed, 0 to 1; 0 is the dense network",
}
_COST = {
    "units": "count of removed units",
    "realised": "share of the budget that was removed",
    "parameters": "parameters that are left",
    "macs": "multiply-adds for one image that are left",
}
_MEASURED = {"loss": "mean cross-entropy, in nats", "accuracy": "share of the images that are classified right"}
_EMPTY = {"empty": "layers without channels, separated by spaces; missing where there is none"}
_IMAGES = {"images": "count of images behind loss and accuracy"}
_BY_CLASS = {"accuracy.*": "accuracy on the images of one class"}
_COLLAPSED = {"collapsed": "share of the networks of which a layer is empty"}
_SEEDS = {"seeds": "count of trainings behind the means"}
_ENDS = {"_low": "its lower end, by the study's figures.confidence", "_high": "its upper end"}


def _interval(name, around):
    """The columns of an interval."""
    return {f"{name}{end}": f"interval of {around}: {words}" for end, words in _ENDS.items()}


def _versus(reference, words):
    """The columns of a paired difference to a reference."""
    name = f"versus_{reference}"
    return {name: f"accuracy minus that of {words}, paired", **_interval(name, "this difference")}


_CURVES = {
    **{name: _CELL[name] for name in ("budget", "keep_at_least")},
    "criterion": "the criterion; draws are averaged as one",
    **{name: _CELL[name] for name in ("recovery", "level")},
    **_SEEDS,
    **_COST,
    **_MEASURED,
    **_COLLAPSED,
    "accuracy_change": "accuracy minus that of the dense network after the same recovery",
    **_interval("accuracy", "the change, put around the accuracy"),
    "loss_change": "loss minus that of the dense network after the same recovery",
    **_interval("loss", "the change, put around the loss"),
    **_versus("random", "the random control at the same level, floor and recovery"),
    **_versus("none", "the same network as pruning left it"),
}
_KIND = {"kind": "what became of the pruned network: none, batchnorm, retrained, scratch, ..."}
_TRAINED = {"trained_images": "images behind its weights after the dense training, repeated ones each time"}
_SIZE = {
    "weights": "count of weights that can be zero",
    "zeros": "count of those that are zero",
    "sparsity": "share of the weights that is zero",
    "parameters": "all parameters of the network",
    "macs": "multiply-adds for one image of the dense network",
    "macs_left": "multiply-adds by weights that are not zero",
    "bytes": "bytes of the network's file",
    "bytes_compressed": "bytes of this file as zlib packs it",
    "gradient_density": "share of the weights with a gradient at the end of the training",
}
_LEFT = {"left.*": "share of one layer's weights that is not zero"}
_VARIANT = {
    "variant": "the variant of sparse training; `dense` is the network with all weights",
    "level": "share of the weights that was asked to be zero",
}
_TICKET = {
    "kind": "first weights of the ticket: original, random, sign, ...; `dense` is the network with all weights",
    "round": "round of pruning that the masks come from; 0 of the dense network",
}
_HISTORY = {
    "epoch": "epoch, from 1",
    "learning_rate": "learning rate at the end of the epoch",
    "train_loss": "mean loss on the training images as the epoch showed them",
    "train_accuracy": "accuracy on the same",
    "validation_loss": "mean loss on the validation images after the epoch",
    "validation_accuracy": "accuracy on the same",
}
_CHANNEL = {"layer": "layer of the network, by its module name", "channel": "index of the channel in the layer, from 0"}
_STATISTICS = {
    "mean": "mean",
    "mean_abs": "mean of absolute values",
    "max": "maximum",
    "min": "minimum",
    "max_abs": "maximum of absolute values",
    "min_abs": "minimum of absolute values",
}
_READING = {"reading": "the reading of relevance"}

TABLES: dict[str, dict[str, str]] = {
    "evaluations": {
        **_CELL,
        **_IMAGES,
        **_COST,
        **_MEASURED,
        **_EMPTY,
        **_BY_CLASS,
        "removed.*": "share of one layer's channels that was removed",
        **_NETWORK,
        "split": "images that were tested: test, or those on which choices are made",
    },
    "curves": _CURVES,
    "retraining": {
        **_NETWORK,
        **{name: _CELL[name] for name in ("criterion", "level")},
        **_KIND,
        **_IMAGES,
        **_TRAINED,
        **{name: _COST[name] for name in ("parameters", "macs")},
        **_MEASURED,
        **_EMPTY,
    },
    "retraining.means": {
        "criterion": _CURVES["criterion"],
        "level": _CELL["level"],
        **_KIND,
        **_SEEDS,
        "draws": "count of draws behind the means",
        **_TRAINED,
        **{name: _COST[name] for name in ("parameters", "macs")},
        **_MEASURED,
        **_COLLAPSED,
        **_versus("none", "the same network without retraining"),
        **_versus("scratch", "the same widths trained from fresh weights"),
        **_versus("random", "the random control treated alike"),
        **_versus("dense", "the dense network"),
        **_interval("accuracy", "the change against the dense network, put around the accuracy"),
    },
    "retraining.history": {
        **{name: _HISTORY[name] for name in ("validation_loss", "validation_accuracy")},
        "criterion": _CURVES["criterion"],
        "draw": "the criterion with its draw",
        "level": _CELL["level"],
        **_KIND,
        **_NETWORK,
        "epoch": "epoch over all steps of pruning, from 1",
    },
    "sparsity": {**_NETWORK, **_VARIANT, **_IMAGES, **_SIZE, **_MEASURED, **_EMPTY, **_LEFT},
    "sparsity.means": {
        **_VARIANT,
        **_SEEDS,
        **_SIZE,
        **_MEASURED,
        **_LEFT,
        **_COLLAPSED,
        **_versus("dense", "the dense network"),
        **_versus("feather", "Feather at the same level"),
        **_interval("accuracy", "the change against the dense network, put around the accuracy"),
    },
    "sparsity.history": {
        **_HISTORY,
        "sparsity": "share of the weights that is zero after the epoch",
        "threshold": "absolute value below which weights are closed",
        "scale": "factor on the gradients of closed weights",
        "regrowth": "smoothed count of weights that come back for each open one",
        "gradient_density": "share of the weights with a gradient",
        **_VARIANT,
        **_NETWORK,
    },
    "tickets": {**_NETWORK, **_TICKET, **_IMAGES, **_SIZE, **_MEASURED, **_EMPTY, **_LEFT},
    "tickets.means": {
        **_TICKET,
        **_SEEDS,
        **_SIZE,
        **_MEASURED,
        **_LEFT,
        **_COLLAPSED,
        **_versus("dense", "the dense network"),
        **_versus("original", "the first weights as they were, under the same masks"),
        **_versus("random", "fresh weights under the same masks"),
        **_interval("accuracy", "the change against the dense network, put around the accuracy"),
    },
    "tickets.masks": {
        **_NETWORK,
        "round": "round of pruning",
        "sparsity": "share of all weights that the round's masks close",
        "layer": _CHANNEL["layer"],
        "left": "share of the layer's weights that they leave",
    },
    "tickets.history": {**_HISTORY, **_TICKET, **_NETWORK},
    "verdict": {
        "claim": "the claim",
        "part": "the part of the reading in the study: ours or faithful; missing where no reading has one",
        "reading": "the reading of relevance",
        "claim_verdict": "verdict on the whole claim",
        "missing": "what the study lacks to test it",
        "kind": "kind of the comparison",
        "first": "its first side",
        "second": "its second side",
        "levels": "levels that it compares, separated by spaces",
        "margin": "difference that still counts as none",
        "split": "images behind it",
        "first_value": "value of the first side",
        "second_value": "value of the second side",
        "difference": "first minus second",
        "low": "lower end of the interval of the difference",
        "high": "upper end of the interval of the difference",
        "p": "p-value of the comparison",
        "alpha": "Holm's level, which the p-value is compared with",
        "n": "count behind the comparison: trainings, draws or images",
        "verdict": "verdict on the comparison",
        "note": "remark on the comparison",
    },
    "units": {
        "unit": "id of the unit; channels that are removed together have one",
        **_CHANNEL,
        "parameters": "parameters that the removal of this unit alone saves",
        "macs": "multiply-adds for one image that it saves",
        **_NETWORK,
    },
    "training": {**_HISTORY, **_NETWORK},
    "statistics": {
        **_CHANNEL,
        **{name: f"{words} of the channel's relevance or weights" for name, words in _STATISTICS.items()},
        "source": "a reading of relevance, or `weight`, `weight_folded`",
        **_NETWORK,
    },
    "by_class": {
        **_CHANNEL,
        "class": "class of the explained images",
        "mean": "mean relevance of the channel over images of the class",
        "mean_abs": "mean absolute relevance of the channel over images of the class",
        **_READING,
        **_NETWORK,
    },
    "stability": {
        "images": "images read so far, in two halves",
        "spearman": "Spearman's correlation of the rankings by either half",
        **_READING,
        **_NETWORK,
    },
    "conservation": {
        "layer": _CHANNEL["layer"],
        "images": "count of explained images",
        "tolerance": "difference from the whole relevance, as a share of it, up to which it counts as conserved",
        "not_conserved": "share of the images of which the layer has another part of the whole relevance",
        "median": "median of the images' differences",
        "largest": "largest of the images' differences",
        **_READING,
        **_NETWORK,
    },
    "sensitivity": {
        "group": "group of coupled layers that loses units, all others whole; `whole network` loses none",
        "layers": "its layers, separated by spaces",
        "units": "count of its units",
        "removed": "count of its units that are removed",
        **{name: _COST[name] for name in ("parameters", "macs")},
        **_IMAGES,
        **_MEASURED,
        **_NETWORK,
        "share": "share of the group's units that is removed",
        "criterion": "the criterion in whose order the units leave",
    },
    "selection.history": {
        **_HISTORY,
        "kept_units": "share of the units that gates keep open",
        "gate_changes": "gates that open or close in a step, mean over the epoch",
        "closings": "share of all closings that the schedule has asked for by the end of the epoch",
        "forwards": "forward passes of one image so far, a backward pass as two",
        "criterion": "the learned criterion, with its draw",
        **_NETWORK,
    },
    "latency": {
        "batch": "images in a batch",
        "pair": "repetition, from 0; both networks run in each, in turns",
        "dense_ms": "milliseconds of the dense network",
        "smaller_ms": "milliseconds of the exported one",
        "exported": "criterion and level of the exported network, and its kind if it was retrained",
        **_NETWORK,
    },
    "ranking": {
        "unit": "id of the unit, those that are removed first on top",
        **_CHANNEL,
        "stays": "1 of units without a score, which are never removed",
    },
}
# Columns that only some studies have: with recoveries, of scorers, with units that have no score.
SOMETIMES = {
    "curves": ("versus_none", "versus_none_low", "versus_none_high"),
    "selection.history": ("closings", "forwards"),
    "ranking": ("stays",),
}


def meanings(table: str, columns: Iterable[str]) -> dict[str, str]:
    """{column: meaning} of the columns of one of TABLES; a column that no entry describes has none, ""."""
    known = TABLES[table]
    found = {}
    for column in columns:
        first, _, _ = column.partition(".")
        found[column] = known.get(column, known.get(f"{first}.*", ""))
    return found
