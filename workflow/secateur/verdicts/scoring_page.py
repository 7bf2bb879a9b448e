"""The page on scorers: studies, verdicts on the source's claims, transfer, the tables of each study, and the method.

Every sentence follows from a table beside it by a rule that is the same for every study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.analysis.wording import joined
from secateur.verdicts import (
    across_page,
    paired,
    scoring_claims,
    scoring_costs,
    scoring_tables,
    scoring_transfer,
    selection_method,
)
from secateur.verdicts.finished import FULL_EPOCHS, FULL_SIZE, MARGIN_FULL, MARGIN_SMALL
from secateur.verdicts.paired import Finding
from secateur.verdicts.scoring_study import Study, plain

COMMAND, PAGE = "python docs/write_scoring.py", "docs/scoring-results.md"
Blocks = Iterator[tuple[str, Any]]
# What the abstracts say, and what they leave open and is therefore a design of this project.
OF_THE_SOURCE = (
    "A network, in place of a hand-made rule, scores output channels; gradients may be among its inputs.",
    "It is trained faster, and with less computation, than criteria that genetic algorithms or evolution strategies "
    "find, for comparable results.",
    "Its results are at least not inferior to other pruning algorithms, after training and at initialisation.",
    "It facilitates transfer between data sets and tasks.",
    "Losses and optimisers of their own in different stages enhance its performance, and the pruned network converges "
    "faster.",
)
OF_THIS_PROJECT = (
    "The scorer: one small network shared by all layers, over descriptors that are standardised within a layer, and "
    "the descriptors themselves (`docs/scoring.md`).",
    "The fit: gates in front of frozen weights, with exact widths or an exact budget, soft at first and hard in the "
    "end, with the gradient of the soft ones; beside it hard gates with a straight-through gradient.",
    "The evolutionary rival: CMA-ES with a diagonal covariance over the weights of the same scorer, on the same loss.",
    "The margin of *not inferior*, the cost in forward passes, where a backward pass counts two, and the stages: label "
    "smoothing, distillation from the dense network, Adam and SGD.",
)


def blocks(studies: Sequence[Study]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies."""
    findings = []
    for study in studies:
        findings += paired.judged(study, scoring_claims.CLAIMS)
    page = [("title", "The Scoring Net: the claims of the source, and what was measured")]
    page += _opening(studies)
    page += verdicts(studies, findings)
    page += scoring_transfer.section(studies)
    for study in studies:
        page += scoring_tables.section(study)
    return [*page, *_method()]


def _opening(studies) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the files of finished studies: every number that was measured is a cell of one "
        "of them or a mean, count or difference of such, and every sentence follows from the tables here. To make it "
        "again:",
    )
    yield "code", across_page.kept_commands(studies, scoring_transfer.sources(studies), COMMAND, PAGE)
    yield "table", selection_method.studies(studies)
    yield "text", "What levels are shares of, the scores that were made by hand, and tasks of some classes alone:"
    yield "table", scoring_tables.choices(studies)
    yield "text", "The scorers, and beside them gates with a logit of its own for each unit:"
    yield "table", scoring_tables.entries(studies)


# ---- verdicts ------------------------------------------------------------------------------------------------


def verdicts(studies: Sequence[Study], findings: Sequence[Finding]) -> Blocks:
    """The blocks on all claims: a table of all verdicts, then each claim with its comparisons."""
    yield "heading", "Verdicts"
    yield "text", _rule()
    yield "list", list(map(selection_method.intervals_of, studies))
    by_claim = {claim: [finding for finding in findings if finding.claim is claim] for claim in scoring_claims.CLAIMS}
    asked = {claim: own for claim, own in by_claim.items() if any(finding.items for finding in own)}
    shown = [finding for own in asked.values() for finding in own]
    yield "text", f"{paired.tally(shown, 'claim and study')} {_lengths(studies)}"
    widened = []
    for study in studies:
        widened += paired.widened(study.label, _of(findings, study))
    yield "list", widened
    yield "table", pandas.DataFrame(paired.summary(shown, dict.fromkeys(scoring_claims.OF_THE_SOURCE, "the source")))
    missing = [claim for claim in by_claim if claim not in asked]
    if missing:
        yield "text", "No study here has what these are about:"
        yield "list", [f"({claim.key}) {claim.sentence}" for claim in missing]
    unasked = list(_unasked(studies, findings))
    if unasked:
        yield "text", f"No claim compares {joined(unasked)}: its numbers stand in the tables alone."
    for claim, own in asked.items():
        yield from paired.section(claim, own)


def _of(findings, study):
    return [finding for finding in findings if finding.study is study]


def _lengths(studies):
    """A sentence on how many of the fits that claims are about were at their end."""
    fits = still = 0
    for study in studies:
        for entry in filter(plain, study.scorers):
            if entry["at"] == "trained":
                fits += 1
                still += scoring_costs.improved(study, entry) > scoring_costs.STILL
    return (
        f"Of {fits} plain fits on trained weights {still} still improved by more than {scoring_costs.STILL:g} nats at "
        "their end: what is said of fits is said of fits of so many epochs."
    )


def _unasked(studies, findings):
    """The scorers that stand on either side of no comparison."""
    for study in studies:
        compared = " ".join(item.row["compared"] for found in _of(findings, study) for item in found.items)
        for entry in study.scorers:
            if f"`{entry['name']}`" not in compared:
                yield f"`{entry['name']}` of `{study.settings['study']}`"


def _rule():
    return (
        "A comparison is the test accuracy of one network minus that of another, with its paired interval. *Not "
        "worse* holds where the interval lies above minus the margin, and fails where it lies below; *ahead* is the "
        "same with margin 0. Otherwise, and without an interval, it cannot be told at this scale. The margin is "
        f"{100 * MARGIN_FULL:.1f} points at full size (ResNet-56 or VGG16-BN, {FULL_SIZE} pixels, all training "
        f"images for at least {FULL_EPOCHS} epochs), and {100 * MARGIN_SMALL:.1f} below it. A claim of several "
        "comparisons holds where all of them hold, and fails where one of them fails. Two networks at chance tell "
        "nothing. Claim (e) has no interval: it holds where in every one of two trainings or more the fit alone "
        "reaches the other's least validation loss in fewer passes than the other took to it, fails the other way "
        f"round, and cannot be told while the one that is behind still improves by more than {scoring_costs.STILL:g} "
        "nats (*still falls by*, among the fits of its study); what the other one still gains adds to its lead. It "
        "takes first draws, only epochs in which as many units are closed as in the end, and passes in whole "
        "epochs. Claim (j) is of validation accuracy, until 99 % of that after the last epoch of `retrained`; "
        "negative are more epochs, a network that does not get there counts one epoch more than it was trained, and "
        "then there is no interval. Claims (a) to (d), (o) and (p) are asked of every fit by gradients of soft "
        "gates, the cross-entropy, Adam and frozen weights, whatever its other settings, where the study has the "
        "other side, (m) of searches; of some scorers one draw alone was retrained (column *draws*). At given "
        "widths scores made by hand are L1 and Taylor scores at these, the same beside every scorer; over all "
        "layers they choose their own widths at the same level, so that they may leave other counts of parameters, "
        "which the tables of the studies show. Orders of first weights are judged by networks that are trained from "
        "first or fresh weights alone. Fits that are compared may have cost unlike counts of passes, which the "
        "tables of fits show; the passes of the descriptors are not in them. The column *training images* counts "
        f"those after pruning: what fits and gates saw is not in it. A network within {100 * NEAR_CHANCE:g} points "
        "of a guess is *at chance*. Re-estimated BatchNorm costs the dense network accuracy too: its row shows how "
        "much."
    )


def _method() -> Blocks:
    yield "heading", "The source, and this project"
    yield (
        "text",
        "The thesis (*Research on the Simplification Method of Neural Network Models*, S. Wang, 2024) and the article "
        "(*ScoringNet*, Scientific Programming, 2023, doi 10.1155/2023/9983781) are known here by their abstracts "
        "alone. They say:",
    )
    yield "list", list(OF_THE_SOURCE)
    yield "text", "They give no figures. Designs of this project:"
    yield "list", list(OF_THIS_PROJECT)
    letters = joined(f"({letter})" for letter in scoring_claims.OF_THE_SOURCE)
    yield "text", f"Claims {letters} are the source's; the others are questions of this project."
