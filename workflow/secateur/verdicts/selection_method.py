"""Words of the page on learned selection: studies, learned criteria, the rule of the verdicts, and the method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis import interval_words, retraining
from secateur.analysis.wording import joined
from secateur.study import learned, recovery_checks, vocabulary
from secateur.study.kinds import BATCHNORM, CONTINUED, KINDS, RETRAINED, SCRATCH
from secateur.verdicts import finished, phrases, selection_widths
from secateur.verdicts.finished import FULL_EPOCHS, FULL_SIZE, MARGIN_FULL, MARGIN_SMALL
from secateur.verdicts.selection_study import DENSE, Study

STATISTICS = {"batch": "those of the batch", "running": "the running ones"}

# What the abstract says, and what it leaves open and is therefore a design of this project.
OF_THE_SOURCE = (
    "A class `OutputAnalyser` wraps a model, puts a `PruningConv2D` in the place of its 2D convolutions, and puts the "
    "pruned convolutions back in the end.",
    "Each `PruningConv2D` holds the original layer and a *pruning-model*, whose predictions during training select the "
    "channels that stay; the last prediction counts.",
    "No loss is added to that of the task.",
    "The channels of a trained ResNet-110 on CIFAR-10, with the figures in the first table.",
    "Pruning-models can be deepened and widened, at no cost for the pruned network.",
)
OF_THIS_PROJECT = (
    "The layers with gates: those with units that can be removed, with `criteria.residual: inner` on the ResNets the "
    "first convolution of every block. The abstract names no layers.",
    "The budget. A task's loss does not ask for fewer channels, so that each layer is told how many stay "
    "(`budget: exact`): the largest logits stay open, the gradient goes straight through to every logit, and the count "
    "falls by a cubic over the first half of the phase. `budget: free` leaves it out.",
    "The pruning-models: `mlp` and `linear` see the mean, the mean absolute value and the deviation of each channel, "
    "`conv` its mean map, and `static` sees nothing: one logit for each channel, as in edge-popup.",
    "The place of a gate: behind BatchNorm, where the next layer reads the channel, so that a network with closed "
    "gates and one without their channels are the same.",
    "The start of the logits, the BatchNorm statistics of the phase, and the fixed calibration batch whose prediction "
    "is the last: all are settings, and stand in the table of learned criteria.",
    "Retraining after the phase, and everything that stands beside: other selections at the same widths, on as many "
    "training images, and fresh weights.",
)


# ---- studies and criteria ------------------------------------------------------------------------------------


def studies(all_studies: Sequence[Study]) -> pandas.DataFrame:
    """The table of studies: a row for each property."""
    return finished.side_by_side(map(_facts, all_studies))


def _facts(study):
    settings, split = study.settings, study.settings["split"]
    return {
        "": study.label,
        "study": f"`{settings['study']}`",
        "images": f"`{settings['data']['name']}`, {study.size} pixels",
        "weights": f"`{settings['model']['weights']}`" if settings["model"]["weights"] else "fresh",
        "epochs of dense training": str(settings["training"]["epochs"]),
        "networks (training seeds)": str(len(study.seeds)),
        "training images": study.training_images,
        "test accuracy of the dense network, %": f"{100 * study.mean(DENSE, 'accuracy'):.2f}",
        "parameters": f"{study.mean(DENSE, 'parameters'):,.0f}",
        "multiply-adds": f"{study.mean(DENSE, 'macs'):,.0f}",
        "images that rank": f"split `rank`, {phrases.RANK_FROM[split['rank_from']]}, never reported",
        "images that choose an epoch": "split `validation`",
        "images that are reported": f"{study.images:,}, split `test`",
        **study.terms,
        "draws of the random control": str(settings["criteria"]["random"]),
    }


def criteria(all_studies: Sequence[Study]) -> pandas.DataFrame:
    """The table of learned criteria: a row for each entry of each study."""
    rows = []
    for study in all_studies:
        for entry in study.settings["criteria"]["learned"]:
            rows.append(_entry(study, entry))
    return pandas.DataFrame(rows)


def _entry(study, entry):
    widths = "free"
    if entry["widths"] is not None:
        widths = ", ".join(f"{kept} of {layer}" for layer, kept in entry["widths"].items())
    calibration = entry["calibration"]
    phases = study.phases[study.phases["criterion"] == entry["name"]]
    return {
        "study": study.label,
        "criterion": f"`{entry['name']}`",
        "pruning-model": f"`{entry['model']}`",
        "widths": widths,
        "weights": entry["weights"],
        "BatchNorm statistics": entry["statistics"],
        "start": f"`{entry['start']}`",
        "draws": str(entry["draws"]),
        "epochs": str(entry["epochs"]),
        "training images": _counts(phases["images"]),
        "weights by": f"rate {entry['learning_rate']:g}, {entry['schedule']}",
        "gates by": f"{entry['gate_optimizer']}, rate {entry['gate_learning_rate']:g}",
        "epoch kept by": entry["select"].replace("_", " "),
        "last prediction of": f"up to {calibration['images']} of `{calibration['split']}`",
    }


# ---- the rule ------------------------------------------------------------------------------------------------


def rule(all_studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The blocks on how a verdict is made."""
    yield (
        "text",
        "A comparison is the test accuracy of one network minus that of another, with its paired interval. *Not worse* "
        "holds where the interval lies above minus the margin, and fails where it lies below; *ahead* is the same with "
        "margin 0. Otherwise, and without an interval, it cannot be told at this scale. The margin is "
        f"{100 * MARGIN_FULL:.1f} points at the scale of the source (ResNet-110, {FULL_SIZE} pixels, all training "
        f"images for at least {FULL_EPOCHS} epochs), and {100 * MARGIN_SMALL:.1f} below it. A claim of several "
        "comparisons holds where all of them hold, and fails where one of them fails. Two networks at chance tell "
        "nothing. Each interval stands for itself: none is widened for how many there are.",
    )
    made = {cell.kind for study in all_studies for cell in study.cells}
    shown = [kind for kind in KINDS.values() if kind.name in made and kind.label != kind.column]
    kinds = [f"*{kind.column}*: {kind.label}" for kind in shown]
    yield "text", f"What became of a network stands in brackets behind its criterion. {'; '.join(kinds)}."
    yield (
        "text",
        "Networks are compared on equal numbers of training images behind their weights since the dense training: "
        "where a table says otherwise, the comparison does not count. What a learned selection cost before its network "
        "was trained stands apart, in the table of learned criteria: the images of its gate phase are behind the "
        "choice of its units, and behind no weight of a network that starts from the dense one's; other selections had "
        "none of them. The dense network was not trained on beside the pruned ones. Fresh weights have no dense "
        "training behind them; they count where they saw at least as many images as the network beside them since its "
        "dense training.",
    )
    yield "list", [intervals_of(study) for study in all_studies]
    yield (
        "text",
        "The recipes behind a network, by study. A continued network has the schedule of its gate phase and then a "
        "second one, where its opponent has one over as many images: claims on the whole procedure compare that too.",
    )
    yield "list", [line for study in all_studies for line in _recipes(study)]


def _recipes(study):
    """A line for the dense training, for BatchNorm's re-estimation, and for each kind of retraining of a study."""
    settings = study.settings
    training, again = settings["training"], settings["retraining"]
    yield f"{study.label}, dense: {_dense(training)}."
    for options in recovery_checks.options(settings).values():
        yield f"{study.label}, BatchNorm: {retraining.in_words(BATCHNORM.name, options, 1)}."
    made = {cell.kind for cell in study.cells}
    if RETRAINED.name in made:
        yield f"{study.label}, retrained: {retraining.recipe(again)}."
    if CONTINUED.name in made:
        yield f"{study.label}, continued: the same after the gate phase, over as many epochs less."
    if SCRATCH.name in made:
        whole = training | {"epochs": again["scratch_epochs"]}
        yield f"{study.label}, fresh weights: {retraining.recipe(whole)}."


def _dense(training):
    return retraining.recipe(training) if training["epochs"] else "not trained here"


def _counts(values):
    return " or ".join(f"{value:,}" for value in sorted(set(values.astype(int))))


def intervals_of(study: Study) -> str:
    """A sentence on what the intervals of a study are over, and on its draws."""
    draws = {entry["name"]: entry["draws"] for entry in study.settings["criteria"]["learned"]}
    count, confidence = study.settings["criteria"]["random"], study.settings["figures"]["confidence"]
    text = interval_words.in_words(len(study.seeds), count, confidence)
    text += f" {interval_words.of_learning(len(study.seeds), draws)}".rstrip()
    if _some_draws(study):
        text += " Some networks have fewer draws: those that the column *draws* counts apart."
    return f"{study.label}: {text}"


def _some_draws(study):
    """True where a criterion was retrained for fewer of its draws than were pruned."""
    counts = {}
    for cell, rows in study.cells.items():
        counts.setdefault(cell.criterion, set()).add(len(rows))
    return any(len(several) > 1 for several in counts.values())


def statistics(study: Study) -> str:
    """A sentence: the BatchNorm statistics with which the gates of each learned criterion were trained."""
    by_kind = {}
    for entry in study.entries:
        by_kind.setdefault(entry["statistics"], []).append(f"`{entry['name']}`")
    parts = [f"{STATISTICS[kind]} ({joined(names)})" for kind, names in by_kind.items()]
    text = f"{study.label}: BatchNorm statistics while the gates were trained: {joined(parts)}"
    names = [f"`{entry['name']}`" for entry in selection_widths.joint(study)]
    if names:
        text += (
            f"; the weights that were trained together with {joined(names)} are not in these networks, which have the "
            "dense network's"
        )
    return f"{text}."


# ---- the method ----------------------------------------------------------------------------------------------


def method(all_studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The blocks on the source, on what is designed here, and on the images."""
    yield "heading", "Method"
    yield (
        "text",
        "The source is G. Calleris, *Structured Pruning for Efficient Convolutional Networks*, Politecnico di Torino, "
        "2023. Only its abstract is known here. It says:",
    )
    yield "list", list(OF_THE_SOURCE)
    yield "text", "All else is a design of this project:"
    yield "list", list(OF_THIS_PROJECT)
    yield "text", "Images, each for one purpose unless a sentence says otherwise:"
    yield "list", [_images(study) for study in all_studies]


def _images(study):
    """A sentence on the images that ranked, chose and were reported in a study."""
    entries = study.settings["criteria"]["learned"]
    split = study.settings["split"]
    splits = joined(dict.fromkeys(f"`{entry['calibration']['split']}`" for entry in entries))
    parts = [f"gates were trained on the split `train`; the last prediction is that of images of {splits}"]
    scores = {score for entry in entries for score in (*learned.starts(entry), *learned.beside(entry).values())}
    readers = [f"`{score}`" for score in vocabulary.IMAGE_SCORES if score in scores]
    if readers:
        parts.append(f"{joined(readers)} read the split `rank`, {phrases.RANK_FROM[split['rank_from']]}")
    parts.append("epochs of training and retraining were chosen on the split `validation`, where they were chosen")
    parts.append(
        f"reported are {phrases.count(study.images)} images of the split `test`, which no gate, score or training read"
    )
    if study.settings["model"]["weights"]:
        parts.append("the given weights may have seen any of these images elsewhere, those that choose an epoch too")
    return f"{study.label}: {'; '.join(parts)}."
