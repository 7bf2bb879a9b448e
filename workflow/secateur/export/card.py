"""The card of an exported network: the facts of its manifest as a page of blocks.

Every number and name on the card comes from the facts; the list of untested uses follows from the tested ones.
"""

from collections.abc import Iterator
from typing import Any

import pandas

from secateur.artifacts import files, provenance
from secateur.export import card_facts, sparse_card, wording
from secateur.export.card_facts import Facts
from secateur.figures import documents
from secateur.models.description import NetworkDescription
from secateur.study import vocabulary
from secateur.study.kinds import KINDS

RANKED = {
    "none": "No images were used for the ranking: it comes from the weights, or from chance.",
    "train": "Units were ranked by what was learned on the training images; its start, its last prediction and the "
    "gradients that it reads may be those of other images that are not reported.",
    "rank": "Units were ranked on the rank images, which are not reported.",
    "test": "**Units were ranked on the test images, on which the accuracies below are reported as well.**",
    None: "The images of the ranking are named in its manifest.",
}
CHOSE = "Units were ranked on the {} images, on which the study's criteria are compared as well, to choose among them."


def blocks(facts: Facts) -> list[tuple[str, Any]]:
    """The card as a list of (kind, content), for `documents`."""
    return [
        *_beginning(facts),
        ("heading", "How to use it"),
        *_use(facts.description),
        ("heading", "Accuracy"),
        *_accuracy(facts),
        ("heading", "Size and speed"),
        *(sparse_card.size(facts, facts.sparse) if facts.sparse else _size(facts)),
        *_speed(facts),
        *_files(facts),
        ("heading", "How it was made"),
        *(sparse_card.making(facts, facts.sparse) if facts.sparse else _making(facts)),
        ("heading", "Data"),
        ("text", f"{facts.data.title}. Licence: {facts.data.licence}. To cite: {facts.data.citation}."),
        ("heading", "What was not tested"),
        ("list", untested(facts)),
    ]


def write(facts: Facts, outputs: Any, record: dict[str, Any]) -> None:
    """Write the card as Markdown and as a page, and the manifest; `outputs` has Snakemake's names."""
    parts = blocks(facts)
    files.write_text(outputs.card, documents.as_markdown(parts))
    files.write_text(outputs.page, documents.as_html(parts))
    provenance.write(outputs.manifest, **(record | card_facts.manifest(facts)))


def untested(facts: Facts) -> list[str]:
    """Uses that were not tested, a sentence each."""
    data, versions = facts.data, facts.versions
    sizes = " and ".join(str(row.batch) for row in facts.latency)
    return [
        f"Images other than the {wording.grouped(data.images)} test images of {data.name}: other sources, shifted or "
        f"corrupted images, and anything that is none of the {len(facts.description.classes)} classes.",
        f"Other training runs: this is one network, of seed {facts.seed}, and the intervals speak of it alone.",
        sparse_card.UNTESTED if facts.sparse else KINDS[facts.kind].untested,
        f"Speed other than in batches of {sizes} with {_threads(facts)} on {facts.processor}; GPUs; memory in use.",
        f"Runtimes other than torch {versions['torch']} and onnxruntime {versions['onnxruntime']} on a CPU; "
        "arithmetic other than float32.",
        "Calibration of its probabilities, and subgroups of a class on which it errs more often.",
    ]


def _beginning(facts: Facts) -> Iterator[tuple[str, Any]]:
    """The title, and the first paragraphs."""
    if facts.sparse:
        yield "title", sparse_card.title(facts, facts.sparse)
        yield from sparse_card.opening(facts, facts.sparse)
        return
    share = f"{wording.percent(facts.realised)} of its {_counted(facts.terms.budget)}"
    yield "title", f"{facts.description.name} on {facts.data.name} without {share}"
    yield (
        "text",
        f"{wording.grouped(facts.units.removed)} of {wording.grouped(facts.units.all)} units were removed, in the "
        f"order of `{facts.criterion}`. {wording.compared(facts)} {_speedup(facts)}",
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
        f"On {wording.grouped(facts.data.images)} test images. Intervals ({wording.confidence(facts)}) of the two "
        "accuracies are Wilson's, for chance in the choice of these images; that of the change between them, above, is "
        f"a paired bootstrap over the same images, of {wording.grouped(facts.accuracy.resamples)} draws. Accuracies "
        f"are those of the study's evaluation ({facts.accuracy.precision}); the network read back from this folder is "
        f"right or wrong as in this evaluation on {wording.grouped(facts.agreeing)} of "
        f"{wording.grouped(facts.images)} images.",
    )
    dense, smaller = facts.dense.by_class, facts.smaller.by_class
    classes = pandas.DataFrame({"class": list(smaller)})
    classes["dense"] = [wording.percent(dense[name]) for name in smaller]
    classes["this one"] = list(map(wording.percent, smaller.values()))
    yield "table", classes


def _performance(network):
    return {
        "accuracy": wording.percent(network.accuracy),
        "interval": f"{wording.percent(network.low)} to {wording.percent(network.high)}",
        "loss (nats)": f"{network.loss:.4g}",
    }


def _size(facts: Facts) -> Iterator[tuple[str, Any]]:
    dense, smaller = facts.dense, facts.smaller
    rows = [
        {"": "parameters"} | wording.shrunk(dense.parameters, smaller.parameters),
        {"": "multiply-adds for one image"} | wording.shrunk(dense.macs, smaller.macs),
    ]
    yield "table", pandas.DataFrame(rows)


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
        rows.append({"file": f"`{name}`", "bytes": wording.grouped(size), "differs from torch by": difference})
    rows.append(
        {"file": "the dense checkpoint", "bytes": wording.grouped(facts.dense.bytes), "differs from torch by": ""}
    )
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
    yield "text", wording.made_by(facts)


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
        text = f"at least {wording.percent(floor)} of every layer's channels were kept"
    if terms.round_to > 1:
        text += f"; widths of pruned layers are multiples of {terms.round_to}"
    return text


def _threads(facts):
    count = facts.latency[0].threads
    if count == 1:
        return "one thread"
    return f"{count} threads"


def _numbers(values):
    return ", ".join(f"{value:g}" for value in values)
