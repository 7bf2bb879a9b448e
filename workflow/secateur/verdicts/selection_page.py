"""The page on learned selection: the published figures and ours, verdicts on the source's claims, studies, method.

Every sentence follows from a table beside it by a rule that is the same for every study.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas

from secateur.analysis.wording import joined
from secateur.verdicts import (
    across_page,
    across_words,
    paired,
    selection_claims,
    selection_exact,
    selection_method,
    selection_published,
    selection_tables,
)
from secateur.verdicts.paired import Claim, Finding
from secateur.verdicts.selection_study import Study

# Claims that hold by construction: what their tables are no evidence of.
BY_CONSTRUCTION = {
    "c": "Budgets are met by construction: exactly as many gates are open as the widths say. Dead units, which are "
    "zero on all calibration images, leave first, and the task's loss chooses the others. The table checks that every "
    "phase and every pruned network keeps this; whether a loss alone would find the count, `budget: free` asks.",
    "d": "Costs are equal by construction: no part of a pruning-model is in a pruned network. The table checks this "
    "for the pruning-models that stand in it, and says nothing of others.",
}
COMMAND, PAGE = "python docs/write_selection.py", "docs/selection-results.md"
Blocks = Iterator[tuple[str, Any]]


def blocks(studies: Sequence[Study], folders: Iterable[Path | str]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies and the folders of their results."""
    findings = []
    for study in studies:
        findings += paired.judged(study, selection_claims.CLAIMS)
    page = [("title", "Channels chosen by learning: claims, and what was measured")]
    page += _opening(studies, folders)
    page += _published(studies)
    page += verdicts(studies, findings)
    for study in studies:
        page += selection_tables.section(study)
    return [*page, *selection_method.method(studies)]


def _opening(studies, folders) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the tables of finished studies: every number that was measured is a cell of one "
        "of their files or a mean, count or difference of such, and every sentence follows from the tables here. To "
        "make it again:",
    )
    yield "code", across_page.commands([study.settings["study"] for study in studies], COMMAND, folders, PAGE)
    yield "table", selection_method.studies(studies)
    yield (
        "text",
        "The learned criteria (`widths` are units that stay, of layers by name or by the count of their units):",
    )
    yield "table", selection_method.criteria(studies)


def _published(studies) -> Blocks:
    yield "heading", "The published figures, and ours"
    yield (
        "text",
        "ResNet-110 on CIFAR-10 near the budget of the source, and every network of this kind that was measured here, "
        "at the budget of its own study. Rows of another network, of smaller images or of shorter training cannot be "
        "compared with the published ones: read the change, within one study. Before and after are the dense and the "
        "pruned network.",
    )
    table = selection_published.table(studies)
    yield "table", table
    yield "list", [selection_published.pending(table)]
    yield "text", selection_published.sources()


# ---- verdicts ------------------------------------------------------------------------------------------------


def verdicts(studies: Sequence[Study], findings: Sequence[Finding]) -> Blocks:
    """The blocks on all claims: a table of all verdicts, then each claim with its comparisons."""
    yield "heading", "Verdicts"
    yield from selection_method.rule(studies)
    yield "text", f"{paired.tally(findings, 'claim and study')} {_by_construction(findings)}"
    made_by: dict[str, str] = dict.fromkeys(selection_claims.OF_THE_SOURCE, "the source")
    yield "table", pandas.DataFrame(paired.summary(findings, made_by))
    for claim in selection_claims.CLAIMS:
        yield from _section(claim, [finding for finding in findings if finding.claim is claim])


def _by_construction(findings):
    """A sentence on the claims that count among those that hold, and could not do otherwise."""
    held = [finding for finding in findings if finding.claim.key in BY_CONSTRUCTION and finding.verdict == "holds"]
    letters = joined(f"({key})" for key in BY_CONSTRUCTION)
    return (
        f"Of those that hold, {across_words.in_words(len(held))} are of {letters}, which hold by construction. The "
        "abstract of the source speaks of (a), (c) and (d); the other claims are questions of this project."
    )


def _section(claim: Claim, findings: Sequence[Finding]) -> Blocks:
    yield "text", f"**({claim.key}) {claim.sentence}**"
    yield "list", [f"{finding.study.label}: {finding.sentence}." for finding in findings]
    rows = paired.rows(findings)
    if rows:
        yield "table", pandas.DataFrame(rows)
    yield from _more(claim, [finding.study for finding in findings])


def _more(claim, studies):
    """The blocks that belong to a claim and are no verdict: what holds by construction, gates without a budget,
    statistics of BatchNorm."""
    if claim.key == "a":
        yield "text", selection_published.of_the_source()
    if claim.key in BY_CONSTRUCTION:
        yield "text", BY_CONSTRUCTION[claim.key]
    if claim.key == "c":
        yield from _free(studies)
    if claim is selection_claims.CLAIMS[-1]:
        yield "list", list(map(selection_method.statistics, studies))


def _free(studies):
    tables = [selection_exact.free(study) for study in studies]
    table = pandas.concat(tables, ignore_index=True)
    if table.empty:
        yield "text", "No study has a learned criterion without a budget (`budget: free`)."
        return
    yield (
        "text",
        "Without a budget (`budget: free`) nothing but the task's loss and the start of the logits decides how many "
        "gates close:",
    )
    yield "table", table
