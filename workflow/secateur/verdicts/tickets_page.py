"""The page on tickets: studies, verdicts on the claims, the tables of each study, and the method.

Every sentence follows from a table beside it by a rule that is the same for every study.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from secateur.analysis import retraining
from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.analysis.wording import joined, percent
from secateur.study import reinitialisations, tickets
from secateur.verdicts import across_page, finished, paired, phrases, tickets_answers, tickets_claims, tickets_study
from secateur.verdicts.finished import FULL_EPOCHS, FULL_SIZE, MARGIN_FULL, MARGIN_SMALL
from secateur.verdicts.paired import Finding
from secateur.verdicts.tickets_claims import shown
from secateur.verdicts.tickets_study import WEIGHTS, Network, Study

COMMAND, PAGE = "python docs/write_tickets.py", "docs/tickets-results.md"
Blocks = Iterator[tuple[str, Any]]
# Epochs after which the early course is shown, and the share of the dense network's end that has to be reached.
EARLY, SHARE = (1, 2, 5), 0.8
# Channels that no criterion chose, as tables call them.
RANDOM_CHANNELS = "random"


def blocks(studies: Sequence[Study], folders: Iterable[Path | str]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies and the folders of their results."""
    findings = []
    for study in studies:
        findings += paired.marked(paired.judged(study, tickets_claims.CLAIMS))
    page = [("title", "Winning tickets: what in their first weights matters")]
    page += _opening(studies, findings, folders)
    page += verdicts(studies, findings)
    for study in studies:
        page += _section_of(study)
    return [*page, *_method(studies)]


def _opening(studies, findings, folders) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the results of finished studies: every measured number is computed from their "
        "tables and, for epochs, from the histories beside their networks (files that end in `history.csv`), and every "
        "verdict follows from the tables here. To make it again:",
    )
    yield "code", across_page.commands([study.settings["study"] for study in studies], COMMAND, folders, PAGE)
    yield from tickets_answers.blocks(studies, findings)
    yield "table", finished.side_by_side(map(_facts, studies))
    yield "text", "The kinds of first weights:"
    yield "table", _kinds()


def _facts(study):
    settings = study.settings
    section = settings["tickets"]
    channels = [tickets_claims.named(place) for place in study.places if place[0] != WEIGHTS]
    return {
        "": study.label,
        "BatchNorm": "yes" if study.norm == tickets_study.NORMS[0] else "no",
        "images": f"`{settings['data']['name']}`, {study.size} pixels",
        "training images": study.training_images,
        "images that are reported": phrases.count(study.images),
        "epochs": str(settings["training"]["epochs"]),
        "recipe": retraining.recipe(settings["training"]),
        "zeros of weights": joined(map(percent, section["sparsity"])),
        "rounds of pruning": joined(f"{percent(one.sparsity)} zeros" for one in tickets.rounds(settings)),
        "back to": f"the weights of epoch {section['rewind']}" if section["rewind"] else "the first weights",
        "channels": joined(channels) or "-",
        "networks (training seeds)": str(len(study.seeds)),
        "test accuracy of the dense network, %": paired.accuracy(tickets_study.dense(study)),
        **study.terms,
    }


def _kinds():
    rows = []
    for one in reinitialisations.ALL:
        channels = f"`{one.kind or one.name}`" if one.channels else "-"
        names = {"of weights": f"`{one.name}`", "of channels": channels}
        rows.append({**names, "keeps": one.keeps, "proposed by": one.proposed_by})
    return pandas.DataFrame(rows)


# ---- verdicts ------------------------------------------------------------------------------------------------


def verdicts(studies: Sequence[Study], findings: Sequence[Finding]) -> Blocks:
    """The blocks on all claims: a table of all verdicts, then each claim with its comparisons."""
    yield "heading", "Verdicts"
    yield "text", _rule()
    yield "list", [*map(_intervals, studies), *_tallies(findings)]
    yield "table", pandas.DataFrame(paired.summary(findings, tickets_claims.made_by(), "not asked"))
    for claim in tickets_claims.CLAIMS:
        yield from paired.section(claim, [finding for finding in findings if finding.claim is claim], _afterwards)


def _rule():
    return (
        "A comparison is the test accuracy of one kind minus that of another under masks that leave as many weights in "
        "each layer, or at equal widths, with its paired interval: kinds of one seed are trained on the same images in "
        "the same order. *Ahead* holds where the interval lies above zero, and fails where it lies below; *not worse* "
        "is the same with minus the margin in the place of zero; *within the margin, to either side* holds where the "
        "interval lies between minus the margin and the margin, and fails where it lies beyond one of them. Otherwise, "
        "or without an interval, it cannot be told at this scale. "
        f"The margin is {100 * MARGIN_FULL:.1f} points at full size (ResNet-20 or VGG16, {FULL_SIZE} pixels, all "
        f"training images for at least {FULL_EPOCHS} epochs), and {100 * MARGIN_SMALL:.1f} below it. The smallest "
        "difference that a comparison could have seen is half the width of its interval. A claim of several "
        "comparisons holds where all of them hold, and fails where one of them fails. A comparison of two networks "
        f"that are both within {100 * NEAR_CHANCE:g} points of a guess tells nothing; with one of them there, it says "
        "that this one did not learn. *Ahead* and *behind* in brackets are of intervals as they stand, not widened. "
        f"*{paired.NOT_WIDENED.capitalize()}* is a verdict that "
        "is not the same with all intervals of a study widened for the number of its comparisons (Bonferroni); two "
        "networks with one margin are one comparison, whichever stands first and however many claims ask. The column "
        f"*{tickets_claims.SCALES}* says what else is not the same in the two kinds of a comparison (see *Method*): "
        "the scale of weights, and for channels the biases of linear layers."
    )


def _intervals(study):
    level = percent(study.settings["figures"]["confidence"])
    if len(study.seeds) > 1:
        return (
            f"{study.label}: intervals ({level}) are Student's over {study.n}, on differences paired by seed. Masks, "
            "first weights and fresh draws differ from seed to seed; training and test images do not."
        )
    return f"{study.label}: intervals ({level}) are over test images of this one network, a paired bootstrap."


def _tallies(findings):
    for study in dict.fromkeys(found.study.label for found in findings):
        yield from paired.widened(study, [found for found in findings if found.study.label == study and found.items])


def _afterwards(finding):
    """A clause for a claim that was made when the results of this study were known; nothing for any other."""
    if tickets_claims.is_test(finding.claim, finding.study):
        return ""
    return "; no test, because the claim was made after these results were known"


# ---- one study -----------------------------------------------------------------------------------------------


def _section_of(study: Study) -> Blocks:
    yield "heading", study.label
    dense = paired.accuracy(tickets_study.dense(study))
    for place in study.places:
        epochs = joined(map(str, EARLY))
        yield (
            "text",
            f"**{tickets_claims.named(place)}.** Test accuracy in percent with the difference to first weights in "
            f"points, paired ({study.n}; the dense network has {dense}); validation accuracy after {epochs} epochs of "
            f"this training; and the epochs until {percent(SHARE)} of the dense network's last validation accuracy, "
            "the mean over trainings that get there.",
        )
        yield "table", pandas.DataFrame([_of_kind(study, place, kind) for kind in study.at(place)])
        yield "list", [_order(study, place)]
    yield (
        "text",
        f"**Weights left by layer and round.** The share of each layer's weights that the masks leave, in percent, the "
        f"mean over {study.n}{_spread(study)}.",
    )
    yield "table", _of_layers(study)


def _of_kind(study: Study, place: tuple[str, float], kind: str) -> dict[str, str]:
    network = Network(*place, kind)
    row = {"kind": shown(place, kind), "test accuracy": paired.accuracy(study.mean(network))}
    row["minus first weights"] = "-"
    original = Network(*place, tickets_study.ORIGINAL.name)
    if network != original:
        row["minus first weights"] = paired.points(tickets_study.compared(study, network, original).difference)
    history = study.by_epoch[network]
    for epoch in EARLY:
        # A ticket that goes back to a later epoch begins there.
        at_epoch = history[history["epoch"] == history["epoch"].min() + epoch - 1]
        row[f"after {epoch}"] = paired.accuracy(float(at_epoch["validation_accuracy"].mean()))
    reached = np.array(list(tickets_study.until(study, network, SHARE)))
    there = reached[~np.isnan(reached)]
    words = f"{there.mean():.1f}" if len(there) else "-"
    row[f"epochs until {percent(SHARE)}"] = words if len(there) == len(reached) else f"{words} ({len(there)})"
    return row


def _order(study: Study, place: tuple[str, float]) -> str:
    """A sentence: the kinds from the highest test accuracy, how far it is to the lowest, and kinds that only guess."""
    means = {kind: study.mean(Network(*place, kind)) for kind in study.at(place)}
    order = sorted(means, key=lambda kind: -means[kind])
    span = 100 * (means[order[0]] - means[order[-1]])
    names = ", ".join(shown(place, kind) for kind in order)
    guesses = [shown(place, kind) for kind in order if means[kind] <= study.chance + NEAR_CHANCE]
    near = f"; within {100 * NEAR_CHANCE:g} points of a guess: {', '.join(guesses)}" if guesses else ""
    return f"From the highest mean: {names}; {span:.2f} points between the first and the last{near}."


def _of_layers(study: Study) -> pandas.DataFrame:
    """The shares that masks leave: a row for each layer and one for all, a column for each round."""
    masks = study.masks
    rows = {f"`{layer}`": part.groupby("round")["left"].mean() for layer, part in masks.groupby("layer", sort=False)}
    rows["all"] = 1 - masks.groupby("round")["sparsity"].mean()
    table = pandas.DataFrame(rows)
    table.index = [f"round {place}" for place in table.index]
    return table.map(lambda share: f"{100 * share:.1f}").T.reset_index(names="layer")


def _spread(study: Study) -> str:
    """A clause: how far the seeds are apart at most; nothing for a single one."""
    if len(study.seeds) < 2:
        return ""
    left = study.masks.groupby(["round", "layer"])["left"]
    return f"; two seeds are at most {100 * float((left.max() - left.min()).max()):.1f} points apart"


# ---- the method ----------------------------------------------------------------------------------------------


def _method(studies) -> Blocks:
    yield "heading", "Method"
    yield (
        "text",
        "The source is S. Wang, *Research on the Simplification Method of Neural Network Models*, 2024, known here by "
        "its abstract alone: re-initialisation may make winning tickets ineffective; three re-initialisations preserve "
        "the sign, the distribution or the absolute value, to find out why; the preserved distribution keeps the "
        "properties of a ticket best. It gives no numbers and no definitions: the forms of its three kinds here are "
        "designs of this project (`docs/tickets.md`). Zhou et al. (2019), who found that signs decide, have neighbours "
        "of `sign`, `dist` and `sign+dist`.",
    )
    yield "list", [*_definitions(studies), *map(_images, studies)]


def _definitions(studies) -> Iterator[str]:
    yield (
        "Tickets of weights: each round trains the weights that are left from the same first weights, and closes the "
        "smallest of all layers together (Frankle and Carbin, 2019). Fresh values are those of the network built anew, "
        "by the scheme of the dense network and at its scale (for convolutions of this project's networks by fan-out), "
        "although masks leave fewer weights. The first values that masks leave need not have that scale, because "
        "masks leave what became large: the scale of a layer is here the standard deviation of those left in it, and "
        "`random`, `sign`, `mask_shuffled` and `layer_permuted` do not keep it."
    )
    yield (
        "Tickets of channels: a criterion removes channels of the trained network, and what is left goes back to first "
        "weights. `initial` has these as they are, at the dense network's scale. `scratch` is the dense network built "
        "anew without these channels, each layer multiplied by the root of inputs before over inputs left: a layer "
        "that loses inputs has larger weights than in `initial`, and one that loses none has not. `sign` has the "
        "magnitudes of `scratch`; all other kinds have the scale of `initial`, `random_scaled` with rescaled values of "
        "`scratch`."
    )
    yield (
        "Biases, and weights and statistics of BatchNorm, go back to their first values in every kind but `scratch`, "
        "which draws the biases of linear layers anew."
    )
    yield (
        "Kinds of one seed share their draws: `random`, `sign` and `random_scaled` the fresh values, `dist` and "
        "`sign+dist` the order."
    )
    if any(left_out == RANDOM_CHANNELS for study in studies for left_out, _ in study.places):
        yield (
            f"`{RANDOM_CHANNELS}` channels are drawn over the whole network, so that layers have other widths than "
            "with a criterion's channels: no network of the one is compared with one of the other."
        )


def _images(study):
    select = study.settings["training"]["select"]
    chosen = "the last epoch is kept" if select == "last" else f"the epoch is kept by {select.replace('_', ' ')}"
    return (
        f"{study.label}: {chosen}; reported are {phrases.count(study.images)} images of the split `test`, which no "
        "training and no pruning read."
    )
