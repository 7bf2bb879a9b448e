"""The card of an exported network: the facts of its manifest as a page of blocks.

Every number and name on the card comes from the facts; the list of untested uses follows from the tested ones.
"""

import math
from collections.abc import Iterator
from typing import Any

import pandas

from secateur.export.card_facts import Facts
from secateur.models.description import NetworkDescription
from secateur.study import vocabulary
from secateur.study.kinds import KINDS

RANKED = {
    "none": "No images were used for the ranking: it comes from the weights, or from chance.",
    "train": "Units were ranked by what was learned on the training images; its start and its last prediction may be "
    "those of other images that are not reported.",
    "rank": "Units were ranked on the rank images, which are used for nothing else.",
    "test": "**Units were ranked on the test images, on which the accuracies below are reported as well.**",
    None: "The images of the ranking are named in its manifest.",
}
CHOSE = "Units were ranked on the {} images, on which the study's criteria are compared as well, to choose among them."


def blocks(facts: Facts) -> list[tuple[str, Any]]:
    """The card as a list of (kind, content), for `documents`."""
    title = (
        f"{facts.description.name} on {facts.data.name} without {percent(facts.realised)} of its "
        f"{_counted(facts.terms.budget)}"
    )
    return [
        ("title", title),
        *_opening(facts),
        ("heading", "How to use it"),
        *_use(facts.description),
        ("heading", "Accuracy"),
        *_accuracy(facts),
        ("heading", "Size and speed"),
        *_size(facts),
        *_speed(facts),
        *_files(facts),
        ("heading", "How it was made"),
        *_making(facts),
        ("heading", "Data"),
        ("text", f"{facts.data.title}. Licence: {facts.data.licence}. To cite: {facts.data.citation}."),
        ("heading", "What was not tested"),
        ("list", untested(facts)),
    ]


def percent(share: float) -> str:
    """A share as text: 0.305 is 30.5 %."""
    if math.isnan(share):
        return "no image"
    return f"{100 * share:.4g} %"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * share:+z.2f}"


def untested(facts: Facts) -> list[str]:
    """Uses that were not tested, a sentence each."""
    data, versions = facts.data, facts.versions
    sizes = " and ".join(str(row.batch) for row in facts.latency)
    return [
        f"Images other than the {_grouped(data.images)} test images of {data.name}: other sources, shifted or "
        f"corrupted images, and anything that is none of the {len(facts.description.classes)} classes.",
        f"Other training runs: this is one network, of seed {facts.seed}, and the intervals speak of it alone.",
        KINDS[facts.kind].untested,
        f"Speed other than in batches of {sizes} with {_threads(facts)} on {facts.processor}; GPUs; memory in use.",
        f"Runtimes other than torch {versions['torch']} and onnxruntime {versions['onnxruntime']} on a CPU; "
        "arithmetic other than float32.",
        "Calibration of its probabilities, and subgroups of a class on which it errs more often.",
    ]


def _opening(facts: Facts) -> Iterator[tuple[str, Any]]:
    change = facts.accuracy.change
    yield (
        "text",
        f"{_grouped(facts.units.removed)} of {_grouped(facts.units.all)} units were removed, in the order of "
        f"`{facts.criterion}`. Test accuracy is {percent(facts.smaller.accuracy)} where the dense network has "
        f"{percent(facts.dense.accuracy)}: {points(change.value)} points, {_confidence(facts)} interval "
        f"{points(change.low)} to {points(change.high)}. {_speedup(facts)}",
    )


def _speedup(facts):
    parts = [f"{row.ratio:.2f} times at batch {row.batch}" for row in facts.latency]
    return f"It is faster than the dense network by {' and '.join(parts)} (a number below 1 is slower)."


def _use(description: NetworkDescription) -> Iterator[tuple[str, Any]]:
    shape = ", ".join(map(str, description.shape))
    yield (
        "code",
        "from secateur import pruning\n\n"
        'model = pruning.load("path/to/this/folder")  # in eval mode, by torch and safetensors, nothing unpickled\n'
        f"logits = model(images)  # images: float32 (N, {shape}); logits: (N, {len(description.classes)})",
    )
    if description.mean and description.std:
        yield (
            "text",
            "Images are normalised channel by channel as (pixel / 255 - mean) / std with mean "
            f"{_numbers(description.mean)} and std {_numbers(description.std)}.",
        )
    yield (
        "text",
        "Without this package: `model.onnx` has the input `images` and the output `logits`; `model.pt2` is read by "
        "`torch.export.load`. Both take batches of any size. The classes, in the order of the logits, are in "
        "`architecture.json`, with the removed channels.",
    )
    if description.factory:
        yield "text", f"`pruning.load` needs the code of `{description.factory}`; the other two do not."


def _accuracy(facts: Facts) -> Iterator[tuple[str, Any]]:
    networks = {"dense": facts.dense, "pruned, not trained again": facts.pruned, "this one": facts.smaller}
    rows = []
    for name, network in networks.items():
        if network is not None:
            rows.append({"network": name} | _performance(network))
    yield "table", pandas.DataFrame(rows)
    yield (
        "text",
        f"On {_grouped(facts.data.images)} test images. Intervals ({_confidence(facts)}) of the two accuracies are "
        "Wilson's, for chance in the choice of these images; that of the change between them, above, is a paired "
        f"bootstrap over the same images, of {_grouped(facts.accuracy.resamples)} draws. Accuracies are those of the "
        f"study's evaluation ({facts.accuracy.precision}); the network read back from this folder is right or wrong "
        f"as in this evaluation on {_grouped(facts.agreeing)} of {_grouped(facts.images)} images.",
    )
    dense, smaller = facts.dense.by_class, facts.smaller.by_class
    classes = pandas.DataFrame({"class": list(smaller)})
    classes["dense"] = [percent(dense[name]) for name in smaller]
    classes["this one"] = list(map(percent, smaller.values()))
    yield "table", classes


def _performance(network):
    return {
        "accuracy": percent(network.accuracy),
        "interval": f"{percent(network.low)} to {percent(network.high)}",
        "loss (nats)": f"{network.loss:.4g}",
    }


def _size(facts: Facts) -> Iterator[tuple[str, Any]]:
    dense, smaller = facts.dense, facts.smaller
    rows = [
        {"": "parameters"} | _shrunk(dense.parameters, smaller.parameters),
        {"": "multiply-adds for one image"} | _shrunk(dense.macs, smaller.macs),
    ]
    yield "table", pandas.DataFrame(rows)


def _shrunk(dense, smaller):
    return {"dense": _grouped(dense), "this one": _grouped(smaller), "left": percent(smaller / dense)}


def _speed(facts: Facts) -> Iterator[tuple[str, Any]]:
    yield "table", pandas.DataFrame(map(_latency, facts.latency))
    first = facts.latency[0]
    yield (
        "text",
        f"Milliseconds of {first.clock} for a batch, in torch with {_threads(facts)} on {facts.processor}: medians "
        f"over {first.pairs} pairs, in which both networks ran in turns on the same images, with denormal numbers "
        "flushed to zero. A network with fewer multiply-adds is not faster by the same share.",
    )


def _latency(row):
    return {
        "batch": row.batch,
        "dense (ms)": f"{row.dense_ms:.3g}",
        "this one (ms)": f"{row.smaller_ms:.3g}",
        "times faster": f"{row.ratio:.2f}",
        "middle half of the pairs": f"{row.ratio_low:.2f} to {row.ratio_high:.2f}",
    }


def _files(facts: Facts) -> Iterator[tuple[str, Any]]:
    rows = []
    for name, size in facts.files.items():
        difference = ""
        if name in facts.differences:
            difference = f"{facts.differences[name]:.2g}"
        rows.append({"file": f"`{name}`", "bytes": _grouped(size), "differs from torch by": difference})
    rows.append({"file": "the dense checkpoint", "bytes": _grouped(facts.dense.bytes), "differs from torch by": ""})
    yield "table", pandas.DataFrame(rows)
    yield (
        "text",
        f"Each file was read again and run on {facts.checked} test images: the largest difference of a logit, as a "
        f"share of the logits' range. More than {facts.tolerance:g} is refused.",
    )


def _making(facts: Facts) -> Iterator[tuple[str, Any]]:
    yield "text", f"{_trained(facts)}. {_ranked(facts)} {facts.origin}".strip()
    norms = ""
    if KINDS[facts.kind].trains == "nothing":
        norms = " BatchNorm is kept as it is."
    yield (
        "text",
        f"Criterion `{facts.criterion}`, level {facts.level:g} requested and {facts.realised:.6g} realised, a "
        f"share of the {_counted(facts.terms.budget)}; {_limits(facts.terms)}.{norms} Widths of the layers:",
    )
    rows = []
    for layer, (dense, smaller) in facts.widths.items():
        rows.append({"layer": f"`{layer}`", "dense": dense, "this one": smaller})
    yield "table", pandas.DataFrame(rows)
    yield (
        "text",
        f"Made by secateur {facts.secateur} in the study `{facts.study}`; settings, code and versions are in "
        "`manifest.json`.",
    )


def _trained(facts):
    """The training and retraining, as one sentence without its end."""
    text = f"Trained with seed {facts.seed}"
    if "epoch" in facts.training:
        text += f", epoch {facts.training['epoch']} kept"
    if facts.schedule:
        text += f". {KINDS[facts.kind].made}: {facts.schedule}"
    return text


def _ranked(facts):
    """The images of the ranking, and their other uses."""
    if facts.ranked_on_choosing:
        return CHOSE.format(facts.ranked_on)
    return RANKED.get(facts.ranked_on, f"Units were ranked on the {facts.ranked_on} images.")


def _counted(budget):
    """The units, parameters or multiply-adds that a level is a share of, in words."""
    if budget == "units":
        return "units"
    return vocabulary.BUDGETS[budget]


def _limits(terms):
    """The floor and the rounding of widths, in words."""
    text, floor = "no floor", terms.keep_at_least
    if floor >= 1:
        text = f"at least {floor:g} of every layer's channels were kept"
    elif floor:
        text = f"at least {percent(floor)} of every layer's channels were kept"
    if terms.round_to > 1:
        text += f"; widths of pruned layers are multiples of {terms.round_to}"
    return text


def _threads(facts):
    count = facts.latency[0].threads
    if count == 1:
        return "one thread"
    return f"{count} threads"


def _confidence(facts):
    return f"{100 * facts.accuracy.confidence:g} %"


def _numbers(values):
    return ", ".join(f"{value:g}" for value in values)


def _grouped(count):
    """A count with its digits in groups of three."""
    return f"{count:,}"
