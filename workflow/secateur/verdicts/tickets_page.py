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
from secateur.verdicts import across_page, finished, paired, phrases, tickets_claims, tickets_study
from secateur.verdicts.finished import FULL_EPOCHS, FULL_SIZE, MARGIN_FULL, MARGIN_SMALL
from secateur.verdicts.paired import Claim, Finding
from secateur.verdicts.tickets_claims import shown
from secateur.verdicts.tickets_study import WEIGHTS, Network, Study

COMMAND, PAGE = "python docs/write_tickets.py", "docs/tickets-results.md"
Blocks = Iterator[tuple[str, Any]]
# Epochs after which the early course is shown, and the share of the dense network's end that has to be reached.
EARLY, SHARE = (1, 2, 5), 0.8


def blocks(studies: Sequence[Study], folders: Iterable[Path | str]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies and the folders of their results."""
    findings = []
    for study in studies:
        findings += paired.judged(study, tickets_claims.CLAIMS)
    page = [("title", "Winning tickets: what in their first weights matters")]
    page += _opening(studies, folders)
    page += verdicts(studies, findings)
    for study in studies:
        page += _section_of(study)
    return [*page, *_method(studies)]


def _opening(studies, folders) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the tables of finished studies: every measured number is computed from these, "
        "and every verdict follows from the tables here. To make it again:",
    )
    yield "code", across_page.commands([study.settings["study"] for study in studies], COMMAND, folders, PAGE)
    yield "table", finished.side_by_side(map(_facts, studies))
    yield "text", "The kinds of first weights:"
    yield "table", _kinds()


def _facts(study):
    settings = study.settings
    section = settings["tickets"]
    channels = [tickets_claims.named(place) for place in study.places if place[0] != WEIGHTS]
    return {
        "": study.label,
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
        source = "the source" if one.of_the_source else "this project"
        rows.append({"of weights": f"`{one.name}`", "of channels": channels, "keeps": one.keeps, "proposed by": source})
    return pandas.DataFrame(rows)


# ---- verdicts ------------------------------------------------------------------------------------------------


def verdicts(studies: Sequence[Study], findings: Sequence[Finding]) -> Blocks:
    """The blocks on all claims: a table of all verdicts, then each claim with its comparisons."""
    yield "heading", "Verdicts"
    yield "text", _rule()
    yield "list", [*map(_intervals, studies), *_tallies(findings)]
    yield "table", pandas.DataFrame(paired.summary(findings, tickets_claims.MADE_BY, "not asked"))
    for claim in tickets_claims.CLAIMS:
        yield from _section(claim, [finding for finding in findings if finding.claim is claim])


def _rule():
    return (
        "A comparison is the test accuracy of one kind minus that of another under masks of equal counts, or at equal "
        "widths, with its paired interval: kinds of one seed are trained on the same images in the same order. "
        "*Ahead* holds where the interval lies above zero, and fails where it lies below; *not worse* is the same with "
        "minus the margin in the place of zero. Otherwise, or without an interval, it cannot be told at this scale. "
        f"The margin is {100 * MARGIN_FULL:.1f} points at full size (ResNet-20 or VGG16, {FULL_SIZE} pixels, all "
        f"training images for at least {FULL_EPOCHS} epochs), and {100 * MARGIN_SMALL:.1f} below it. The smallest "
        "difference that a comparison could have seen is half the width of its interval. A claim of several "
        "comparisons holds where all of them hold, and fails where one of them fails. Networks within "
        f"{100 * NEAR_CHANCE:g} points of a guess tell nothing."
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


def _section(claim: Claim, findings: Sequence[Finding]) -> Blocks:
    asked = [finding for finding in findings if finding.items]
    if not asked:
        return
    yield "text", f"**({claim.key}) {claim.sentence}**"
    yield "list", [f"{finding.place}: {finding.sentence}." for finding in asked]
    yield "table", pandas.DataFrame(paired.rows(asked))


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


def _of_kind(study: Study, place: tuple[str, float], kind: str) -> dict[str, str]:
    network = Network(*place, kind)
    row = {"kind": shown(place, kind), "test accuracy": paired.accuracy(study.mean(network))}
    row["less first weights"] = "-"
    original = Network(*place, tickets_study.ORIGINAL.name)
    if network != original:
        row["less first weights"] = paired.points(tickets_study.compared(study, network, original).difference)
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
    """A sentence: the kinds from the highest test accuracy, and how far the highest is from the lowest."""
    means = {kind: study.mean(Network(*place, kind)) for kind in study.at(place)}
    order = sorted(means, key=lambda kind: -means[kind])
    span = 100 * (means[order[0]] - means[order[-1]])
    names = ", ".join(shown(place, kind) for kind in order)
    return f"From the highest mean: {names}; {span:.2f} points between the first and the last."


# ---- the method ----------------------------------------------------------------------------------------------


def _method(studies) -> Blocks:
    yield "heading", "Method"
    yield (
        "text",
        "The source is S. Wang, *Research on the Simplification Method of Neural Network Models*, 2024, known here by "
        "its abstract alone: re-initialisation may make winning tickets ineffective; three re-initialisations preserve "
        "the sign, the distribution or the absolute value, to find out why; the preserved distribution keeps the "
        "properties of a ticket best. It gives no numbers and no definitions: the kinds here are designs of this "
        "project (`docs/tickets.md`), beside those of Zhou et al. (2019), who found that signs decide.",
    )
    yield "list", [*_definitions(), *map(_images, studies)]


def _definitions() -> Iterator[str]:
    yield (
        "Tickets of weights: each round trains the weights that are left from the same first weights, and closes the "
        "smallest of all layers together (Frankle and Carbin, 2019). Fresh values are those of the network built anew, "
        "at the fan-in of the dense network, although masks leave fewer inputs."
    )
    yield (
        "Tickets of channels: a criterion removes channels of the trained network, and what is left goes back to first "
        "weights. `initial` has these as they are, at the dense network's fan-in; `scratch`, and every kind that takes "
        "fresh values (`sign`, `random_scaled` before it is scaled), has them at the fan-in that is left: larger by "
        "the root of inputs before over inputs left. `sign` is therefore compared with `scratch` at one scale, and "
        "with `initial` at two."
    )
    yield (
        "Biases, and weights and statistics of BatchNorm, go back to their first values in every kind but `scratch`, "
        "which draws the biases of linear layers anew."
    )
    yield (
        "Kinds of one seed share their draws: `random`, `sign` and `random_scaled` the fresh values, `dist` and "
        "`sign+dist` the order."
    )


def _images(study):
    select = study.settings["training"]["select"]
    chosen = "the last epoch is kept" if select == "last" else f"the epoch is kept by {select.replace('_', ' ')}"
    return (
        f"{study.label}: {chosen}; reported are {phrases.count(study.images)} images of the split `test`, which no "
        "training and no pruning read."
    )
