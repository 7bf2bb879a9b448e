"""The page on sparse training: studies, verdicts on the source's claims, the tables of each study, and the method.

Every sentence follows from a table beside it by a rule that is the same for every study.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas

from secateur.verdicts import across_page, paired, sparsity_claims, sparsity_method, sparsity_tables
from secateur.verdicts.paired import Claim, Finding
from secateur.verdicts.sparsity_study import Study

COMMAND, PAGE = "python docs/write_sparsity.py", "docs/sparsity-results.md"
Blocks = Iterator[tuple[str, Any]]


def blocks(studies: Sequence[Study], folders: Iterable[Path | str]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies and the folders of their results."""
    findings = []
    for study in studies:
        findings += paired.judged(study, sparsity_claims.CLAIMS)
    page = [("title", "Sparse training: the claims of the source, and what was measured")]
    page += _opening(studies, folders)
    page += verdicts(studies, findings)
    for study in studies:
        page += sparsity_tables.section(study)
    return [*page, *sparsity_method.method(studies)]


def _opening(studies, folders) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the tables of finished studies: every number that was measured is a cell of one "
        "of their tables or a mean or difference of such, and every sentence follows from the tables here. A level is "
        "the share of zeros among all weights of convolutions and linear layers. To make it again:",
    )
    yield "code", across_page.commands([study.settings["study"] for study in studies], COMMAND, folders, PAGE)
    yield "table", sparsity_method.studies(studies)
    yield "text", "The variants:"
    yield "table", sparsity_method.variants(studies)
    yield from sparsity_method.shared(studies)


# ---- verdicts ------------------------------------------------------------------------------------------------


def verdicts(studies: Sequence[Study], findings: Sequence[Finding]) -> Blocks:
    """The blocks on all claims: a table of all verdicts, then each claim with its comparisons."""
    yield "heading", "Verdicts"
    yield from sparsity_method.rule(studies)
    yield "text", paired.tally(findings, "claim, study and level")
    yield "table", _summary(studies, findings)
    for claim in sparsity_claims.CLAIMS:
        yield from _section(claim, [finding for finding in findings if finding.claim is claim])


def _summary(studies, findings):
    rows = []
    for claim in sparsity_claims.CLAIMS:
        row = {"": f"({claim.key})", "claim": claim.sentence}
        for study in studies:
            found = [finding for finding in findings if finding.claim is claim and finding.study is study]
            row[study.label] = "; ".join(map(_cell, found))
        rows.append(row)
    return pandas.DataFrame(rows)


def _cell(finding):
    return f"{finding.level}: {finding.cell}" if finding.level else finding.cell


def _section(claim: Claim, findings: Sequence[Finding]) -> Blocks:
    yield "text", f"**({claim.key}) {claim.sentence}**"
    yield "list", [f"{finding.place}: {finding.sentence}{_seen(finding)}." for finding in findings]
    rows = paired.rows(findings)
    if rows:
        yield "table", pandas.DataFrame(rows)
    if rows and claim.key == sparsity_claims.OF_DROPPING:
        yield (
            "text",
            "Which share of the zero weights matters: by this table, the smallest that is worse (fails), and below it "
            "the largest that is not worse (holds).",
        )
        yield "list", [sentence for finding in findings for sentence in sparsity_claims.shares(finding)]


def _seen(finding):
    """A clause: the differences of a finding, and the smallest that could have been seen; nothing without any."""
    differences = [item.compared.difference for item in finding.items if item.compared]
    if not differences:
        return ""
    halves = [sparsity_claims.smallest(difference) for difference in differences]
    seen = paired.in_points(halves) if all(half == half for half in halves) else "not known without an interval"
    return f"; measured: {paired.span(differences)}; the smallest that could have been seen: {seen}"
