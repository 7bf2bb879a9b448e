"""The card of an exported network: the facts of its manifest in, the blocks of a page out.

Every number and name comes from the facts; what was not tested is said from what was.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas

from secateur.study import vocabulary
from secateur.study.kinds import KINDS

RANKED = {
    "none": "No image ranked: the order comes from the weights, or from chance.",
    "rank": "Channels were ranked on the rank images, which are used for nothing else.",
    "test": "**Channels were ranked on the test images, on which the accuracies below are reported as well.**",
    None: "Which images ranked stands in the manifest of the ranking.",
}
CHOSE = (
    "Channels were ranked on the {} images, on which the study's criteria are compared as well, to choose among them."
)


def blocks(facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The card as a list of (kind, content), for `documents`."""
    return [
        (
            "title",
            f"{facts['about']['name']} on {facts['data']['name']} without {percent(facts['realised'])} of its "
            f"{_counted(facts)}",
        ),
        *_opening(facts),
        ("heading", "How to use it"),
        *_use(facts),
        ("heading", "Accuracy"),
        *_accuracy(facts),
        ("heading", "Size and speed"),
        *_size(facts),
        ("heading", "How it was made"),
        *_making(facts),
        ("heading", "Data"),
        *_data(facts),
        ("heading", "What was not tested"),
        ("list", untested(facts)),
    ]


def percent(share: float) -> str:
    """A share as text: 0.305 is 30.5 %."""
    return "no image" if math.isnan(share) else f"{100 * share:.4g} %"


def untested(facts: Mapping[str, Any]) -> list[str]:
    """What nobody has tried, a sentence each."""
    tested, timed, versions = facts["data"], facts["latency"], facts["versions"]
    sizes = " and ".join(str(row["batch"]) for row in timed)
    return [
        f"Images other than the {_count(tested['images'])} test images of {tested['name']}: other sources, shifted or "
        f"corrupted images, and anything that is none of the {len(facts['about']['classes'])} classes.",
        f"Other training runs: this is one network, of seed {facts['seed']}, and the intervals speak of it alone.",
        KINDS[facts["kind"]].untested,
        f"Speed other than in batches of {sizes} with {_threads(timed)} on {facts['processor']}; GPUs; memory in use.",
        f"Runtimes other than torch {versions['torch']} and onnxruntime {versions['onnxruntime']} on a CPU; "
        "arithmetic other than float32.",
        "Whether its probabilities are calibrated, and on which images of a class it errs more than on others.",
    ]


def _opening(facts):
    change = facts["accuracy"]["change"]
    yield (
        "text",
        f"{_count(facts['units']['removed'])} of {_count(facts['units']['all'])} units are gone, chosen by "
        f"`{facts['criterion']}`. Test accuracy is {percent(facts['smaller']['accuracy'])} where the dense network has "
        f"{percent(facts['dense']['accuracy'])}: {points(change['value'])} points, {_confidence(facts)} interval "
        f"{points(change['low'])} to {points(change['high'])}. {_ratio_text(facts)}",
    )


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * share:+z.2f}"


def _ratio_text(facts):
    parts = [f"{row['ratio']:.2f} times at batch {row['batch']}" for row in facts["latency"]]
    return f"It is faster than the dense network by {' and '.join(parts)} (a number below 1 is slower)."


def _use(facts):
    about = facts["about"]
    shape = ", ".join(map(str, about["shape"]))
    yield (
        "code",
        "from secateur import pruning\n\n"
        'model = pruning.load("path/to/this/folder")  # in eval mode, by torch and safetensors, nothing unpickled\n'
        f"logits = model(images)  # images: float32 (N, {shape}); logits: (N, {len(about['classes'])})",
    )
    if about.get("mean") and about.get("std"):
        yield (
            "text",
            "Images are normalised channel by channel as (pixel / 255 - mean) / std with mean "
            f"{_numbers(about['mean'])} and std {_numbers(about['std'])}.",
        )
    yield (
        "text",
        "Without this package: `model.onnx` has the input `images` and the output `logits`; `model.pt2` is read by "
        "`torch.export.load`. Both take batches of any size. The classes, in the order of the logits, are in "
        "`architecture.json`, with the channels that are gone.",
    )
    if about.get("factory"):
        yield "text", f"`pruning.load` needs the code of `{about['factory']}`; the other two do not."


def _accuracy(facts):
    tested, measured = facts["data"], facts["accuracy"]
    rows = [
        {
            "network": name,
            "accuracy": percent(facts[key]["accuracy"]),
            "interval": f"{percent(facts[key]['low'])} to {percent(facts[key]['high'])}",
            "loss (nats)": f"{facts[key]['loss']:.4g}",
        }
        for name, key in (("dense", "dense"), ("pruned, not trained again", "pruned"), ("this one", "smaller"))
        if key in facts
    ]
    yield "table", pandas.DataFrame(rows)
    yield (
        "text",
        f"On {_count(tested['images'])} test images. Intervals ({_confidence(facts)}) of the two accuracies are "
        "Wilson's, for chance in the choice of these images; that of the change between them, above, is a paired "
        f"bootstrap over the same images, of {_count(measured['resamples'])} draws. Accuracies are those of the "
        f"study's evaluation ({measured['precision']}); the weights read back from this folder were right or wrong on "
        f"the same images in {_count(facts['agreeing'])} of {_count(facts['images'])} cases.",
    )
    by_class = facts["smaller"]["by_class"]
    yield (
        "table",
        pandas.DataFrame(
            {
                "class": list(by_class),
                "dense": [percent(facts["dense"]["by_class"][name]) for name in by_class],
                "this one": [percent(share) for share in by_class.values()],
            }
        ),
    )


def _size(facts):
    dense, smaller = facts["dense"], facts["smaller"]
    rows = [
        {
            "": name,
            "dense": _count(dense[key]),
            "this one": _count(smaller[key]),
            "left": percent(smaller[key] / dense[key]),
        }
        for name, key in (("parameters", "parameters"), ("multiply-adds for one image", "macs"))
    ]
    yield "table", pandas.DataFrame(rows)
    yield (
        "table",
        pandas.DataFrame(
            {
                "batch": row["batch"],
                "dense (ms)": f"{row['dense_ms']:.3g}",
                "this one (ms)": f"{row['smaller_ms']:.3g}",
                "times faster": f"{row['ratio']:.2f}",
                "middle half of the pairs": f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}",
            }
            for row in facts["latency"]
        ),
    )
    row = facts["latency"][0]
    yield (
        "text",
        f"Milliseconds of {row['clock']} for a batch, in torch with {_threads(facts['latency'])} on "
        f"{facts['processor']}: medians over {row['pairs']} pairs, in which both networks ran in turns on the same "
        "images, with denormal numbers flushed to zero. A network with fewer multiply-adds is not faster by the same "
        "share.",
    )
    checks = facts["differences"]
    rows = [
        {
            "file": f"`{name}`",
            "bytes": _count(size),
            "differs from torch by": f"{checks[name]:.2g}" if name in checks else "",
        }
        for name, size in facts["files"].items()
    ]
    yield (
        "table",
        pandas.DataFrame([*rows, {"file": "the dense checkpoint", "bytes": _count(dense["bytes"])}]).fillna(""),
    )
    yield (
        "text",
        f"Each file was read again and run on {facts['checked']} test images: the largest difference of a logit, as a "
        f"share of the logits' range. More than {facts['tolerance']:g} is refused.",
    )


def _making(facts):
    about, floor = facts["about"], facts["terms"]["keep_at_least"]
    kept = (
        f"at least {percent(floor) if floor < 1 else f'{floor:g}'} of every layer's channels were kept"
        if floor
        else "no floor"
    )
    training = f"Trained with seed {facts['seed']}"
    training += f", epoch {about['epoch']} kept" if "epoch" in about else ""
    if facts["schedule"]:
        training += f". {KINDS[facts['kind']].made}: {facts['schedule']}"
    yield "text", f"{training}. {_ranked(facts)} {facts['origin']}".strip()
    yield (
        "text",
        f"Criterion `{facts['criterion']}`, level {facts['level']:g} requested and {facts['realised']:.6g} realised, a "
        f"share of the {_counted(facts)}; {kept}{_rounded(facts)}.{_norms(facts)} Widths of the layers, "
        "from the dense network's:",
    )
    rows = [{"layer": f"`{name}`", "dense": was, "this one": now} for name, (was, now) in facts["widths"].items()]
    yield "table", pandas.DataFrame(rows)
    yield (
        "text",
        f"Made by secateur {facts['secateur']} in the study `{facts['study']}`; settings, code and versions stand in "
        "`manifest.json`.",
    )


def _counted(facts):
    """What a level is a share of."""
    return "units" if facts["terms"]["budget"] == "units" else vocabulary.BUDGETS[facts["terms"]["budget"]]


def _norms(facts):
    return " BatchNorm is kept as it is." if KINDS[facts["kind"]].trains == "nothing" else ""


def _rounded(facts):
    multiple = facts["terms"]["round_to"]
    return "" if multiple == 1 else f"; widths are multiples of {multiple} where channels went"


def _ranked(facts):
    """Which images ranked, and what else they were used for."""
    split = facts["ranked_on"]
    if facts["ranked_on_choosing"]:
        return CHOSE.format(split)
    return RANKED.get(split, f"Channels were ranked on the {split} images.")


def _data(facts):
    data = facts["data"]
    yield "text", f"{data['title']}. Licence: {data['licence']}. To cite: {data['citation']}."


def _threads(timed):
    number = timed[0]["threads"]
    return "one thread" if number == 1 else f"{number} threads"


def _confidence(facts):
    return f"{100 * facts['accuracy']['confidence']:g} %"


def _numbers(values):
    return ", ".join(f"{value:g}" for value in values)


def _count(number):
    return f"{number:,}"
