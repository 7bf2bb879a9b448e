"""Accuracies of the networks that are evaluated already, from the tables of single evaluations."""

import collections
import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from secateur.study import criteria_names, learned
from secateur.study.kinds import NONE
from secateur.study.study import Study
from secateur.study.vocabulary import costed, without_draw

# The most lines that are shown; of more, those of the main criteria come first.
MOST = 24


class Line(NamedTuple):
    """A criterion, its draws as one, and the recovery of its networks."""

    criterion: str
    recovery: str


class Accuracies(NamedTuple):
    """{line: {level: mean accuracy}}, {line: networks of which that is}, and tables that could not be read."""

    means: dict[Line, dict[float, float]]
    networks: dict[Line, int]
    unread: list[str]


def of(study: Study, tables: Iterable[tuple[int, str]]) -> Accuracies:
    """The accuracies in some tables, (training seed, path) each, of the first floor."""
    values = collections.defaultdict(lambda: collections.defaultdict(list))
    seeds, unread = collections.defaultdict(set), []
    for seed, path in tables:
        try:
            # Of a table that ends in the middle no row counts.
            for line, level, accuracy in list(_rows(study.terms[0], path)):
                values[line][level].append(accuracy)
                seeds[line].add(seed)
        except (OSError, ValueError, KeyError, csv.Error):
            unread.append(path)
    means = {line: _means(levels) for line, levels in values.items()}
    return Accuracies(means, {line: len(found) for line, found in seeds.items()}, unread)


def shown(study: Study, lines: Iterable[Line]) -> list[Line]:
    """The lines in the order of the study's criteria: all, or of many the first ones of the main criteria."""
    order = {without_draw(name): place for place, name in enumerate(reversed(study.criteria))}
    lines = sorted(lines, key=lambda line: -order.get(line.criterion, -1))
    if len(lines) <= MOST:
        return lines
    return [line for line in lines if _is_main(study, line.criterion)][:MOST]


def _rows(terms, path):
    """(line, level, accuracy) of every row of a table with these terms."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if _has(row, terms):
                line = Line(without_draw(row["criterion"]), row["recovery"] or NONE.name)
                yield line, float(row["level"]), float(row["accuracy"])


def _has(row: Mapping[str, str], terms: Mapping[str, Any]) -> bool:
    return row["budget"] == terms["budget"] and float(row["keep_at_least"]) == terms["keep_at_least"]


def _means(levels):
    return {level: math.fsum(values) / len(values) for level, values in levels.items()}


def _is_main(study, criterion):
    """True for a criterion that is neither a control nor a statistic beside the one of most figures."""
    beside = [name for entry in study.entries.values() for name in learned.beside(entry)]
    if criterion.startswith(("uniform.", "shuffled.")) or criterion in beside:
        return False
    # Of readings and weights with several statistics, that of most figures.
    for source in study.sources:
        statistics = criteria_names.statistics(study.settings["criteria"], source)
        if criterion.startswith(f"{source}.") and len(statistics) > 1:
            return costed(criterion)[0] == f"{source}.{study.statistic}"
    return True
