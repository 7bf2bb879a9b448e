"""The section of a study's page on the agreement of rankings: what two criteria remove first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from secateur.analysis import agreement, intervals, wording
from secateur.figures import page_parts

if TYPE_CHECKING:
    from secateur.analysis.agreement import Measure, Rankings
    from secateur.analysis.answer import Chosen
    from secateur.figures.page_parts import Study

# Criteria beside each other.
MOST = 6


def section(study: Study, picked: Chosen) -> str:
    """Shares of units that two criteria both take first, at every level; nothing where fewer than two are ranked."""
    names = []
    for name in [*list(picked.of_families.values())[: MOST - 1], "random"]:
        if study.rankings.has(name):
            names.append(name)
    if len(names) < 2:
        return ""

    def table_at(level):
        title = f"taken by both, % of {wording.percent(level)}"
        table = _matrix(study, names, agreement.shared(level), title, least=0, chance=agreement.by_layers(level))
        return f"<p><b>{_shared(study, level, names)}</b></p>{table}"

    networks = len(study.config["training"]["seeds"])
    spread = f", with intervals over {networks} networks" if networks > 1 else ", of the one network"
    note = (
        '<p class="method">Of the units that the criterion of a row takes first, the share that the criterion of a '
        "column takes first too, both cut at the same count and without floors. In parentheses: what two random lists "
        "share that take as many units of each layer as these two; only what is above it says that they choose the "
        f"same channels, and not just the same layers. Means over draws and networks{spread}.</p>"
    )
    orders = _matrix(study, names, agreement.spearman, "Spearman's correlation x 100", least=-1)
    parts = [note, *page_parts.at_levels(study, picked, table_at)]
    parts.append(f"<details><summary>Whole orders</summary>{orders}</details>")
    return page_parts.section("agreement", parts)


def _shared(study, level, names):
    """A sentence on what the first criterion shares with the others at a level."""
    first, *others = names
    measure = agreement.shared(level)
    found = {name: _mean(study.rankings, first, name, measure) for name in others}
    told = []
    for name, share in found.items():
        if share == share:
            alone = _mean(study.rankings, first, name, agreement.by_layers(level))
            told.append(f"{100 * share:.0f} % with {page_parts.name_of(name)} ({100 * alone:.0f} % by layers alone)")
    if not told:
        return ""
    share = wording.percent(level)
    return f"Of the first {share} of the units, {page_parts.name_of(first)} shares {wording.joined(told)}."


def _mean(rankings: Rankings, first: str, second: str, measure: Measure) -> float:
    return float(np.mean(list(rankings.mean(first, second, measure).values())))


def _matrix(study, names, measure, title, least, chance=None):
    """A table of every pair of criteria, of which both halves are the same; `least` is the least that a measure has.

    `chance` is the measure in parentheses.
    """
    cells = {}
    for place, first in enumerate(names):
        for second in names[:place]:
            values = study.rankings.mean(first, second, measure)
            text = _cell(list(values.values()), study, least)
            if text and chance:
                text += f" ({100 * _mean(study.rankings, first, second, chance):.0f})"
            cells[first, second] = cells[second, first] = text
    rows = []
    for first in names:
        texts = [cells.get((first, second), "") for second in names]
        rows.append(page_parts.row_of("", [page_parts.name_of(first), *texts]))
    return page_parts.table_of([title, *names], rows)


def _cell(values, study, least):
    """A mean over networks, in percent, with its interval where there are several."""
    mean = float(np.mean(values))
    if mean != mean:
        return ""
    low, high = intervals.OverSeeds(values, tested=False).interval(1 - study.config["figures"]["confidence"])
    return intervals.shown(mean, max(low, least), high)
