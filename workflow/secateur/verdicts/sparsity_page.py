"""The page on sparse training: studies, verdicts on the source's claims, the tables of each study, and the method.

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
    paired,
    sparsity_claims,
    sparsity_method,
    sparsity_tables,
)
from secateur.verdicts.paired import Claim, Finding
from secateur.verdicts.sparsity_study import Study

COMMAND, PAGE = "python docs/write_sparsity.py", "docs/sparsity-results.md"
NOT_ASKED = "No study is about this."
Blocks = Iterator[tuple[str, Any]]


def blocks(studies: Sequence[Study], folders: Iterable[Path | str]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies and the folders of their results."""
    findings = []
    for study in studies:
        findings += paired.judged(study, sparsity_claims.CLAIMS)
    page = [("title", "Sparse training: what the source claims and asks, and what was measured")]
    page += _opening(studies, folders)
    page += verdicts(studies, findings)
    for study in studies:
        page += sparsity_tables.section(study)
    return [*page, *sparsity_method.method(studies)]


def _opening(studies, folders) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the tables of finished studies: every measured number is computed from these, "
        "without rounding in between, and every verdict follows from the tables here. A level is the share of zeros "
        "among all weights of convolutions and linear layers. To make it again:",
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
    yield from _tallies(findings)
    yield "table", pandas.DataFrame(paired.summary(findings, sparsity_claims.MADE_BY, "not asked"))
    for claim in sparsity_claims.CLAIMS:
        yield from _section(claim, [finding for finding in findings if finding.claim is claim])


def _tallies(findings):
    """The counts of verdicts, by whose the claims are, and what stays of them for their number."""
    lines = []
    by_whose: dict[str, list[str]] = {}
    for letter, whose in sparsity_claims.MADE_BY.items():
        by_whose.setdefault(whose, []).append(letter)
    for whose, letters in by_whose.items():
        own = [found for found in findings if found.claim.key in letters and found.items]
        if own:
            tally = paired.tally(own, "claim, study and level")
            names = joined(f"({letter})" for letter in letters)
            lines.append(f"{names}, of {whose}: {tally[0].lower()}{tally[1:]}")
    for study in dict.fromkeys(found.study.label for found in findings):
        lines += paired.widened(study, [found for found in findings if found.study.label == study])
    yield "list", lines


def _section(claim: Claim, findings: Sequence[Finding]) -> Blocks:
    yield "text", f"**({claim.key}) {claim.sentence}**"
    asked = [finding for finding in findings if finding.items]
    yield "list", [f"{finding.place}: {finding.sentence}{_seen(finding)}." for finding in asked] or [NOT_ASKED]
    rows = paired.rows(asked)
    if rows:
        yield "table", pandas.DataFrame(rows)
    if rows and claim.key == sparsity_claims.OF_DROPPING:
        yield (
            "text",
            "Which share of the zero weights matters: by this table, the smallest that is worse (fails), and below it "
            "the largest that is not worse (holds).",
        )
        yield "list", list(sparsity_claims.shares(asked))
    yield from sparsity_method.limits(claim.key, [finding.study for finding in asked])


def _seen(finding):
    """A clause: the differences of a finding, and the smallest that could have been seen; nothing without any."""
    differences = [item.compared.difference for item in finding.items if item.compared]
    if not differences:
        return ""
    halves = [paired.smallest(difference) for difference in differences]
    seen = paired.in_points(halves) if all(half == half for half in halves) else "not known without an interval"
    return f"; measured: {paired.span(differences)}; the smallest that could have been seen: {seen}"
