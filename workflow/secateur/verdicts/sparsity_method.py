"""Words of the page on sparse training: studies, variants, the rule of the verdicts, and the method."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis import retraining
from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.analysis.wording import joined, percent
from secateur.study.sparse import REFERENCE
from secateur.verdicts import finished, phrases, sparsity_study, sparsity_variants
from secateur.verdicts.finished import FULL_EPOCHS, FULL_SIZE, MARGIN_FULL, MARGIN_SMALL
from secateur.verdicts.sparsity_study import DENSE, Study
from secateur.verdicts.sparsity_variants import ADAPTIVE, BOTH, DROPPED, DYNAMIC, NO_GRADIENT, OTHER

# What the abstract says.
OF_THE_SOURCE = (
    "Feather's fixed scale of the gradients of zero weights becomes a function of the sparsity that training has "
    "achieved: larger early, and smaller as the sparsity rises.",
    "A family of schedules adjusts the rate of pruning to the stability of the mask: more cautious where masks become "
    "unstable.",
    "On ResNet20, DenseNet40-24 and MobileNet V1, trained on CIFAR-100, both improve performance, especially at "
    "extreme sparsity.",
    "A study compares trainings that keep the pruned weights, by straight-through gradients, with those that remove "
    "them for good, to find which share can be dropped without a loss of accuracy, so that gradients become sparse.",
)
# What it leaves open, and is therefore a design of this project.
OF_THIS_PROJECT = (
    "The dynamic scale: the gradient of a zero weight is multiplied by high - (high - low) h(s), where s is the "
    "sparsity achieved so far, high is `scale_high`, and low is `scale_low`. By `scale`, h is `power` s^kappa, "
    "`logdensity` -log10(1 - s) / 2 up to 1, `step` 1 for s above 0.95 and else 0, or `cosine` (1 - cos(pi s)) / 2. "
    "Feather's own scale asks the level alone: high up to 0.95, and low above.",
    "The adaptive schedule: Feather's cubic in a time of its own, which grows by v / (steps of the ramp) with each "
    "step. v falls from `fastest` to `slowest` as weights come back: v = slowest + (fastest - slowest) phi(r / "
    "reference), where r is the smoothed count of weights that came back since a tenth of an epoch ago, for each open "
    "one. By `family`, phi(x) is `hyperbolic` 1 / (1 + x), `exponential` exp(-x), or `linear` 1 - x down to 0. The "
    "level is reached at `deadline` in any case.",
    "Permanent dropping: of the zero weights a share, `drop`, leaves training for good: zero, without gradient. By "
    "`drop_rule` the smallest leave first (`magnitude`), those that were zero for longest (`age`), or any (`random`). "
    "Where a step closes no more weights, as with all of them dropped, the threshold is the smallest open weight.",
    "The comparison with the same training without a gradient of the zero weights, which still decay and move by "
    "momentum, so that some come back.",
)
# How the claims of this page come from it.
ADDED = (
    "It gives no numbers and names no share: (e) is asked of every share that a study dropped. Claim (c) reads *both* "
    "as both in one training, and claim (f) is one of this project's prototypes. Feather (Glentis Georgoulakis et al., "
    "BMVC 2023) closes the smallest weights of all layers together before every step, and trains them on by "
    "straight-through gradients; it is followed as its public code does it. All that is added to it, and what stands "
    "beside, are designs of this project (`docs/sparsity.md`):"
)


# ---- studies and variants ------------------------------------------------------------------------------------


def studies(all_studies: Sequence[Study]) -> pandas.DataFrame:
    """The table of studies: a row for each property."""
    return finished.side_by_side(map(_facts, all_studies))


def _facts(study):
    settings, feather = study.settings, study.variants[REFERENCE]
    return {
        "": study.label,
        "network": study.network,
        "images": f"`{settings['data']['name']}`, {study.size} pixels",
        "training images": study.training_images,
        "images that are reported": phrases.count(study.images),
        "epochs": str(settings["training"]["epochs"]),
        "recipe": retraining.recipe(settings["training"]),
        f"zeros grow, `{REFERENCE}`": f"{_beginning(feather['start'])} to {percent(feather['ramp'])} of the steps",
        "networks (training seeds)": str(len(study.seeds)),
        "test accuracy of the dense network, %": f"{100 * study.mean(DENSE, 'accuracy'):.2f}",
        "prunable weights": f"{study.mean(DENSE, 'weights'):,.0f}",
        "parameters": f"{study.mean(DENSE, 'parameters'):,.0f}",
        "levels": joined(map(percent, study.levels)),
        **study.terms,
    }


def _beginning(start):
    return f"from the end of epoch {start:g}" if start else "from the first step"


def shared(all_studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The blocks on trainings that stand in two studies; nothing where there are none."""
    sentences = []
    for first, second in itertools.combinations(all_studies, 2):
        cells = [f"`{cell.variant}`{_at(cell)}" for cell in sparsity_study.shared(first, second)]
        if cells:
            sentences.append(f"{first.label} and {second.label}: {joined(cells)}")
    if sentences:
        yield "text", "Networks that stand in two studies, of the same trainings, with the same accuracies in both:"
        yield "list", sentences


def _at(cell):
    return f" at {percent(cell.level)}" if cell.level else ""


def variants(all_studies: Sequence[Study]) -> pandas.DataFrame:
    """The table of variants: a row for each one of each study, with the settings that differ from Feather."""
    return pandas.DataFrame([_variant(study, name) for study in all_studies for name in study.variants])


def _variant(study, name):
    options, feather = study.variants[name], study.variants[REFERENCE]
    differing = sparsity_variants.differing(options, feather)
    named = [f"`{key}: {value}`" for key, value in differing.items() if value is not None]
    kind = sparsity_variants.kind_of(options, feather)
    return {
        "study": study.label,
        "variant": f"`{name}`",
        "kind": f"{kind}, no claim" if kind == OTHER else kind,
        "settings that differ from Feather": ", ".join(named) or "-",
        "levels": joined(map(percent, options["levels"])),
    }


# ---- the rule ------------------------------------------------------------------------------------------------


def rule(all_studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The blocks on how a verdict is made."""
    yield (
        "text",
        "A comparison is the test accuracy of one variant minus that of another at the same level, with its paired "
        "interval. *Ahead* holds where the interval lies above zero, and fails where it lies below; *not worse* is the "
        "same with minus the margin in the place of zero. Otherwise, or without an interval, it cannot be told at this "
        f"scale. The margin is {100 * MARGIN_FULL:.1f} points at full scale, that of Feather's public recipe (wide "
        f"ResNet-20, DenseNet40-24 or MobileNetV1, {FULL_SIZE} pixels, all training images for at least {FULL_EPOCHS} "
        f"epochs), and {100 * MARGIN_SMALL:.1f} below it. The smallest difference that a comparison could have seen is "
        "half the width of its interval: so far from zero, or from minus the margin, an estimate has to lie; a true "
        "difference of that size would still be missed about half of the time. Where several variants of a study "
        "answer to a claim at a level, it holds if it holds of all, and fails if it fails of one. Two networks within "
        f"{100 * NEAR_CHANCE:g} points of a guess tell nothing. `{REFERENCE}` *keeps little* where it has less than "
        "half of the dense network's accuracy: to be ahead of it there is to be ahead of a network that broke down. "
        "Equal zeros are not equal multiply-adds, which stand in the last table of each study.",
    )
    yield "list", [*map(_few, all_studies), *filter(None, map(_marks, all_studies))]
    yield (
        "text",
        f"A variant is what its settings say, whatever its name: *{DYNAMIC}* differs from `{REFERENCE}` in settings of "
        f"the scale alone, which follows the sparsity; *{ADAPTIVE}* in settings of the schedule alone, which follows "
        f"the regrowth; *{BOTH}* in both; *{NO_GRADIENT}* in the scale alone, which is zero; and *{DROPPED}* in "
        f"settings of dropping alone. All that differs otherwise is *{OTHER}*, and no claim is about it.",
    )
    yield "list", [_intervals(study) for study in all_studies]


def _few(study):
    """A sentence on a study that is no full training."""
    if study.full_size:
        return f"{study.label} is at full scale."
    return (
        f"{study.label} is a short training below full scale, after which the dense network is far from what a long "
        "one reaches: nothing here says what that does."
    )


def _marks(study):
    """A sentence on the dagger, where a network has earned it."""
    if any(study.empty(cell) for cell in study.cells):
        return f"{study.label}: † a layer has no weights in one network or more."
    return ""


# Claims on additions, each with what was not trained beside, and the settings that would have been its own.
ALONE = {
    "a": ("a constant larger scale", "scale_low"),
    "b": ("a fixed slower ramp", "ramp"),
}


def limits(key: str, all_studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The blocks on what the comparisons of a claim cannot tell; nothing where there is no such limit."""
    if key == "d" and all_studies:
        yield "text", "Judged on the trainings of (a), (b) and (c): this is no evidence beside theirs."
    if key not in ALONE:
        return
    words, setting = ALONE[key]
    without = [study.label for study in all_studies if not _has_control(study, setting)]
    if without:
        yield (
            "text",
            f"In {joined(dict.fromkeys(without))} {words} was not trained: what is compared is the whole change, and "
            "not whether it has to follow anything.",
        )


def _has_control(study, setting):
    """True where a variant differs from Feather in one fixed setting alone."""
    feather = study.variants[REFERENCE]
    return any(sparsity_variants.differing(options, feather).keys() == {setting} for options in study.variants.values())


def _intervals(study):
    level = percent(study.settings["figures"]["confidence"])
    if len(study.seeds) > 1:
        return (
            f"{study.label}: intervals ({level}) are Student's over {study.n}, on differences paired by seed. They "
            "speak of other seeds of the same training, on the same training and test images."
        )
    return (
        f"{study.label}: intervals ({level}) are over {phrases.count(study.images)} test images, a paired bootstrap. "
        "They speak of this one network, and say nothing of other trainings."
    )


# ---- the method ----------------------------------------------------------------------------------------------


def method(all_studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The blocks on the source, on what is designed here, and on the images."""
    yield "heading", "Method"
    yield (
        "text",
        "The source is Zachou, *Enhancing Neural Network Compression through Adaptive Pruning Strategies*, National "
        "Technical University of Athens, 2025. Only its abstract is known here. It says:",
    )
    yield "list", list(OF_THE_SOURCE)
    yield "text", ADDED
    yield "list", list(OF_THIS_PROJECT)
    yield "text", "Images, each for one purpose:"
    yield "list", [_images(study) for study in all_studies]


def _images(study):
    """A sentence on the images that trained, chose and were reported in a study."""
    chosen = "the last epoch is kept, and no image chose it"
    select = study.settings["training"]["select"]
    if select != "last":
        words = select.replace("_", " ")
        chosen = (
            f"the epoch is kept by {words}, on the split `validation`, of a sparse network among those at the final "
            "sparsity"
        )
    text = (
        f"{study.label}: all networks, the dense one too, were trained on the split `train`, of one seed from the same "
        f"first weights and on the same images in the same order; {chosen}; reported are {phrases.count(study.images)} "
        "images of the split `test`, which no training read"
    )
    if study.settings["model"]["weights"]:
        text += "; the given weights may have seen any of these images elsewhere"
    return f"{text}."
