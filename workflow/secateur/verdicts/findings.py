"""Findings as a table, one row for each comparison, and back, so that the page of another study can show them."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas

from secateur import Refused
from secateur.analysis.paired_tests import Comparison, Shift
from secateur.analysis.results import Side
from secateur.artifacts import provenance, tables
from secateur.verdicts import judging, thesis_claims
from secateur.verdicts.evidence import Study

# Of a claim, of its part (ours, faithful, or none), and of each of its comparisons.
CLAIM = ("claim", "part", "reading", "claim_verdict", "missing")
COMPARISON = ("kind", "first", "second", "levels", "margin", "split")
NUMBERS = ("first_value", "second_value", "difference", "low", "high", "p", "alpha", "n")
COLUMNS = (*CLAIM, *COMPARISON, *NUMBERS, "verdict", "note")
TEXT = ["claim", "part", "reading", "missing", "note"]
# The facts about a study that the page of another needs.
ABOUT = (
    *("study", "model", "epochs", "seeds", "data", "rank_from", "choose_on", "dense", "images", "levels", "deltas"),
    *("readings", "statistics", "random", "chance", "page", "command"),
)


@dataclasses.dataclass(frozen=True)
class Judged:
    """A study's facts about itself, and its findings: {(claim, part): Finding}."""

    about: dict[str, Any]
    findings: dict[tuple[str, str], judging.Finding]

    @property
    def tested(self) -> dict[tuple[str, str], judging.Finding]:
        """The findings without those that could not be tested."""
        return {key: finding for key, finding in self.findings.items() if not finding.missing}


def by_part(found: Iterable[judging.Finding], study: Study) -> dict[tuple[str, str], judging.Finding]:
    """{(claim, part): Finding}; readings may have other names in another study, but play the same parts."""
    parts = {study.ours: "ours", study.faithful: "faithful", "": ""}
    return {(finding.name, parts[finding.reading]): finding for finding in found}


def table(by_part: Mapping[tuple[str, str], judging.Finding]) -> pandas.DataFrame:
    """Findings as a data frame; a claim that was not tested has one row without a comparison."""
    rows = []
    for key, finding in by_part.items():
        cells = (*key, finding.reading, finding.verdict, finding.missing)
        of_claim = dict(zip(CLAIM, cells, strict=True))
        if not finding.items:
            rows.append(of_claim)
        rows += [of_claim | _row(item) for item in finding.items]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _row(item):
    """The columns of one comparison."""
    row = _of_shift(item.comparison) if isinstance(item.comparison, Shift) else _of_accuracies(item.comparison)
    row |= {"levels": " ".join(map(str, item.comparison.levels)), "margin": item.comparison.margin}
    numbers = (item.first, item.second, item.difference, item.low, item.high, item.p, item.alpha, item.n)
    return row | dict(zip(NUMBERS, numbers, strict=True)) | {"verdict": item.verdict, "note": item.note}


def _of_shift(shift):
    return {"kind": "shift", "first": shift.reading, "second": " ".join(shift.deltas), "split": shift.split}


def _of_accuracies(comparison):
    labels = {"first": comparison.first.label, "second": comparison.second.label}
    return {"kind": "accuracy", **labels, "split": "test"}


def read(folder: Path | str) -> Judged:
    """The findings of the study with this results folder; Refused where its files are of another version."""
    path = Path(folder) / "tables" / "verdict.csv"
    about = _about(path.with_suffix(".json"))
    rows = tables.read(path, *COLUMNS)
    rows[TEXT] = rows[TEXT].fillna("")
    unknown = sorted({*rows["claim"]} - {*thesis_claims.CLAIMS})
    if unknown:
        raise Refused(f"{path} judges {unknown[0]}, which is no claim of this version; run its study again")
    findings = {}
    for key, items in rows.groupby(["claim", "part"], sort=False):
        findings[key] = _finding(key[0], items)
    return Judged(about, findings)


def _about(manifest):
    try:
        about = provenance.read(manifest)["judged"]
        lacking = [key for key in ABOUT if key not in about]
    except (KeyError, json.JSONDecodeError):
        lacking = ["judged"]
    if lacking:
        raise Refused(f"{manifest} does not say {lacking[0]}, as this version does; run its study again")
    return about


def _finding(name, rows):
    first, claim = rows.iloc[0], thesis_claims.CLAIMS[name]
    if first["missing"]:
        return judging.Finding(name, claim, first["reading"], missing=first["missing"])
    items = tuple(map(_item, rows.to_dict("records")))
    return judging.Finding(name, claim, first["reading"], verdict=first["claim_verdict"], items=items)


def _item(row):
    levels = tuple(map(float, str(row["levels"]).split()))
    if row["kind"] == "shift":
        compared = Shift(row["first"], tuple(row["second"].split()), levels, row["split"])
    else:
        compared = Comparison(Side(row["first"]), Side(row["second"]), levels, row["margin"])
    *numbers, n = map(row.get, NUMBERS)
    return judging.Item(compared, *numbers, n=int(n), verdict=row["verdict"], note=row["note"])
