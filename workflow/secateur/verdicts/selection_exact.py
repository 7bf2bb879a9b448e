"""Claims on learned selection that need no interval: budgets that are met, and costs that are equal."""

from __future__ import annotations

from collections.abc import Iterator

import pandas

from secateur.analysis.paired_tests import FAILS, HOLDS
from secateur.analysis.wording import joined
from secateur.study.kinds import NONE
from secateur.verdicts import selection_widths
from secateur.verdicts.paired import NOT_MEASURED, Item
from secateur.verdicts.selection_study import Study

COSTS = ("parameters", "macs")


def budgets(study: Study) -> Iterator[Item]:
    """For learned criteria with widths, the units that its gates closed, and that left, beside those asked for."""
    for entry in study.entries:
        asked, cell = study.removed(entry), study.of(entry, NONE.name)
        phases = study.phases[study.phases["criterion"] == entry["name"]]
        closed = sorted(set(phases["closed"].astype(int)))
        row = {"study": study.label, "criterion": f"`{entry['name']}`", "units": _counts([sum(study.counts.values())])}
        row |= {"to be removed": _counts([asked]), "closed by gates": _counts(closed), "removed": "-"}
        row["dead units"] = _counts(sorted(set(phases["dead"].astype(int))))
        row["gate phases"] = str(len(phases))
        verdict = NOT_MEASURED
        if study.has(cell):
            removed = study.distinct(cell, "units")
            row["removed"] = _counts(removed)
            verdict = HOLDS if closed == removed == [asked] else FAILS
        yield Item(row, verdict)


def costs(study: Study) -> Iterator[Item]:
    """For all learned criteria of equal widths that differ in their pruning-models, what is left of the network."""
    for entries in selection_widths.groups(study):
        models = dict.fromkeys(entry["model"] for entry in entries)
        if len(models) > 1:
            yield _cost(study, entries, models)


def _cost(study, entries, models):
    names, level = {entry["name"] for entry in entries}, study.level(entries[0])
    parts = {cell: part for cell, part in study.cells.items() if cell.criterion in names and cell.level == level}
    row = {"study": study.label, "criteria": joined(f"`{entry['name']}`" for entry in entries)}
    row["pruning-models"] = joined(f"`{model}`" for model in models)
    if {cell.criterion for cell in parts} != names:
        return Item(row | dict.fromkeys(("networks", "parameters left", "multiply-adds left"), "-"), NOT_MEASURED)
    rows = pandas.concat(parts.values())
    distinct = {column: sorted(set(rows[column].astype(int))) for column in COSTS}
    row["networks"] = _counts([len(rows)])
    row["parameters left"], row["multiply-adds left"] = (_counts(distinct[column]) for column in COSTS)
    equal = all(len(values) == 1 for values in distinct.values())
    return Item(row, HOLDS if equal else FAILS)


def _counts(values):
    return " or ".join(f"{value:,}" for value in values)


def free(study: Study) -> pandas.DataFrame:
    """For every learned criterion without a budget, the units whose gates it closed: one row each."""
    rows = []
    for entry in study.settings["criteria"]["learned"]:
        if entry["budget"] == "free":
            rows.append(_free(study, entry))
    return pandas.DataFrame(rows)


def _free(study, entry):
    phases = study.phases[study.phases["criterion"] == entry["name"]]
    shares = phases["closed"] / phases["units"]
    span = f"{100 * shares.min():.1f} to {100 * shares.max():.1f}"
    closed = f"{phases['closed'].min():,.0f} to {phases['closed'].max():,.0f}"
    row = {"study": study.label, "criterion": f"`{entry['name']}`", "gate phases": str(len(phases))}
    row |= {"units": _counts(sorted(set(phases["units"].astype(int)))), "closed by gates": closed}
    return row | {"closed, % of the units": span}
