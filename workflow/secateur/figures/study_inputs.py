"""Material of a study's page, read from its tables and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from secateur import ranking
from secateur.analysis import averages, sensitivity
from secateur.analysis.agreement import Rankings
from secateur.analysis.results import Results
from secateur.artifacts import correctness, provenance, tables
from secateur.figures.page_parts import Study
from secateur.relevance import comparison

# Sections of what only some studies have, beside the verdicts: each a table of means.
MEANS = ("retraining", "sparsity", "tickets")
Pairs = Iterable[tuple[Path | str, Path | str]]


def read(
    config: Mapping[str, Any],
    paths: Mapping[str, Path | str],
    pairs: Pairs,
    description: str,
    more: Mapping[str, Sequence[Path | str]],
    report: Path,
    missing: Sequence[str] = (),
) -> Study:
    """The study behind a page; Refused for a table that is damaged or lacks a column.

    `paths` are those of the tables `evaluations` and `curves`. `pairs` are tables of single evaluations and the bits
    beside them, of a study of one network; of others none are needed. `more` is {section: its files, if the study has
    any}: tables, and the networks' rankings, sensitivity, exports and comparisons at the input. `report` is the folder
    with style and script, and `missing` says what a study that is not finished lacks.
    """
    evaluations = tables.read(paths["evaluations"], "seed", "split", *averages.NEEDED)
    columns = (*averages.KEYS, "budget", "accuracy", "accuracy_low", "accuracy_high")
    return Study(
        config,
        tables.read(paths["curves"], *columns),
        evaluations,
        Results(evaluations, correctness.of_families(pairs, "test")),
        description,
        _more(more),
        Rankings(more.get("rankings", []), ranking.order),
        _sensitivity(more.get("sensitivity", [])),
        {str(Path(path).parent): provenance.read(path) for path in more.get("exports", [])},
        (report / "study.css").read_text(encoding="utf-8"),
        (report / "study.js").read_text(encoding="utf-8"),
        missing=missing,
        compared=list(map(comparison.read, more.get("compared", []))),
    )


def _more(inputs):
    """{section: its table of means, or its page} of those that the study has."""
    more = {}
    for name in MEANS:
        for path in inputs.get(name, []):
            more[name] = tables.read(path, "accuracy", "accuracy_low", "accuracy_high")
    for path in inputs.get("verdicts", []):
        more["verdicts"] = Path(path).read_text(encoding="utf-8")
    return more


def _sensitivity(paths):
    """{criterion: its curves of all networks}, in the order of the criteria's names."""
    by_criterion = {}
    for path in sorted(map(Path, paths)):
        by_criterion.setdefault(path.name.removesuffix(".csv"), []).append(sensitivity.read(path))
    return {name: pandas.concat(parts, ignore_index=True) for name, parts in by_criterion.items()}
