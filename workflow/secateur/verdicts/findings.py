"""Findings as a table, one row for each comparison, and back: what a study found, for the page of another."""

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
ABOUT = (
    *("study", "model", "epochs", "seeds", "data", "rank_from", "choose_on", "dense", "images", "levels", "deltas"),
    *("readings", "statistics", "random", "chance", "page", "command"),
)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a study is, and what it found: {(claim, part): Finding}."""

    about: dict[str, Any]
    findings: dict[tuple[str, str], judging.Finding]


def by_part(found: Iterable[judging.Finding], study: Study) -> dict[tuple[str, str], judging.Finding]:
    """{(claim, part): Finding}; readings may have other names in another study, but play the same parts."""
    parts = {study.ours: "ours", study.faithful: "faithful", "": ""}
    return {(one.name, parts[one.reading]): one for one in found}


def table(by_part: Mapping[tuple[str, str], judging.Finding]) -> pandas.DataFrame:
    """Findings as a data frame; a claim that was not tested has one row without a comparison."""
    rows = []
    for (name, part), finding in by_part.items():
        of_claim = (name, part, finding.reading, finding.verdict, finding.missing)
        shared = dict(zip(CLAIM, of_claim, strict=True))
        rows += [{**shared, **_row(item)} for item in finding.items] or [shared]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _row(item):
    one = item.comparison
    shift = isinstance(one, Shift)
    compared = {
        "kind": "shift" if shift else "accuracy",
        "first": one.reading if shift else one.first.label,
        "second": " ".join(one.deltas) if shift else one.second.label,
        "levels": " ".join(map(str, one.levels)),
        "margin": one.margin,
        "split": one.split if shift else "test",
    }
    numbers = (item.first, item.second, item.difference, item.low, item.high, item.p, item.alpha, item.n)
    return {**compared, **dict(zip(NUMBERS, numbers, strict=True)), "verdict": item.verdict, "note": item.note}


def read(folder: Path | str) -> Judged:
    """What the study with this results folder found, as Judged; Refused where its files are of another version."""
    path, manifest = (Path(folder) / "tables" / name for name in ("verdict.csv", "verdict.json"))
    about = _about(manifest)
    rows = tables.read(path, *COLUMNS)
    rows[["claim", "part", "reading", "missing", "note"]] = rows[
        ["claim", "part", "reading", "missing", "note"]
    ].fillna("")
    unknown = sorted({*rows["claim"]} - {*thesis_claims.CLAIMS})
    if unknown:
        raise Refused(f"{path} judges {unknown[0]}, which is no claim of this version; run its study again")
    groups = rows.groupby(["claim", "part"], sort=False)
    return Judged(about, {key: _finding(key[0], part) for key, part in groups})


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
    first = rows.iloc[0]
    items = () if first["missing"] else tuple(_item(row) for row in rows.to_dict("records"))
    verdict = "" if first["missing"] else first["claim_verdict"]
    claim = thesis_claims.CLAIMS[name]
    return judging.Finding(name, claim, first["reading"], verdict=verdict, items=items, missing=first["missing"])


def _item(row):
    levels = tuple(float(level) for level in str(row["levels"]).split())
    if row["kind"] == "shift":
        compared = Shift(row["first"], tuple(row["second"].split()), levels, row["split"])
    else:
        compared = Comparison(Side(row["first"]), Side(row["second"]), levels, row["margin"])
    numbers = [row[name] for name in NUMBERS]
    return judging.Item(compared, *numbers[:-1], int(numbers[-1]), row["verdict"], row["note"])
