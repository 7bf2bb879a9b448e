"""The tables of one study: accuracies at the widths of learned criteria, and paired differences between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas

from secateur.analysis.wording import joined, percent
from secateur.artifacts import tables
from secateur.study import learned
from secateur.study.kinds import BATCHNORM, CONTINUED, KINDS, LEARNED, NONE, RETRAINED, SCRATCH, Cell
from secateur.verdicts import across, across_words, paired, selection_judging, selection_study, selection_widths
from secateur.verdicts.paired import NOT_COMPARED
from secateur.verdicts.selection_judging import AT_LEAST, EQUAL
from secateur.verdicts.selection_study import DENSE, Entry, Study
from secateur.verdicts.selection_widths import OPPONENTS

# The columns of accuracies, in the order in which a network comes to them.
SHOWN = (NONE.name, BATCHNORM.name, LEARNED.name, CONTINUED.name, RETRAINED.name, SCRATCH.name)
RANDOM = "random"
# Columns of the table of differences: {in words: (kind of the learned criterion, kind of the other)}.
BETWEEN = {
    KINDS[NONE.name].column: (NONE.name, NONE.name),
    KINDS[BATCHNORM.name].column: (BATCHNORM.name, BATCHNORM.name),
    "both retrained": (RETRAINED.name, RETRAINED.name),
    "continued, the other retrained": (CONTINUED.name, RETRAINED.name),
}


def section(study: Study) -> Iterator[tuple[str, Any]]:
    """The blocks of a study: for all learned criteria of equal widths their accuracies and their differences."""
    yield "heading", study.label
    for entries in selection_widths.groups(study):
        yield "text", _opening(study, entries)
        yield "table", accuracies(study, entries)
        yield (
            "text",
            "Paired differences in points, with their intervals and n: the first less the other, as one kind each. "
            f'Where the training images behind the two do not match, a cell says "{NOT_COMPARED}". Kinds of one '
            "selection are compared by the draws that both have.",
        )
        table, found = differences(study, entries)
        yield "table", table
        yield "list", list(_sentences(found))
        yield (
            "text",
            "How many units a learned selection removes together with each other selection at these widths, the mean "
            "over trainings and draws; by chance: what random channels would share on average. Dead units, of which "
            "the table of (c) has the count, leave first in every learned selection.",
        )
        yield "table", overlaps(study, entries)


def _opening(study, entries):
    kept = [f"{count} of {study.counts[layer]}" for layer, count in study.kept[entries[0]["name"]].items()]
    widths, level = joined(dict.fromkeys(kept)), percent(study.level(entries[0]))
    return (
        f"At level {level}, where layers keep {widths} units. Test accuracy in percent, the mean over "
        f"{_networks(study)}. Criteria of other widths have other costs: `{RANDOM}` ranks the units of all layers "
        f"together{_of_free(study)}. Parameters and multiply-adds left are those of the networks in the first column. "
        "The last row counts the training images behind the weights since the dense training; fresh weights have no "
        "other behind them."
    )


def _networks(study):
    count = len(study.seeds)
    return "the draws on one network" if count == 1 else f"{count} trainings, the draws of each averaged first"


# ---- accuracies ----------------------------------------------------------------------------------------------


def accuracies(study: Study, entries: list[Entry]) -> pandas.DataFrame:
    """A row for the dense network, for each learned criterion, for the selections beside them, and for chance."""
    rows, images = [], {}
    for words, cells in _selections(study, entries):
        if cells:
            rows.append(_row(study, words, cells))
            for kind, cell in cells.items():
                images.setdefault(kind, set()).update(study.distinct(cell, "trained_images"))
    last = {"selection": "training images"}
    for kind, counts in images.items():
        last[KINDS[kind].column] = " or ".join(f"{count:,}" for count in sorted(counts))
    columns = [KINDS[kind].column for kind in SHOWN if kind in images]
    shown = ["selection", "draws", *columns, "parameters left", "multiply-adds left"]
    return pandas.DataFrame([*rows, last], columns=shown).fillna("-")


def _selections(study, entries):
    """(selection in words, {kind: its measured network}) of every row."""
    level = study.level(entries[0])
    yield "dense network", _measured(study, lambda kind: Cell(DENSE.criterion, DENSE.level, kind))
    for entry in entries:
        yield f"`{entry['name']}`", _measured(study, lambda kind, entry=entry: study.of(entry, kind))
    for opponent, words in OPPONENTS.items():
        yield words, _beside(study, entries[0], opponent)
    yield f"`{RANDOM}`", _measured(study, lambda kind: Cell(RANDOM, level, kind))
    for name in _free(study):
        yield f"`{name}`", _measured(study, lambda kind, name=name: Cell(name, level, kind))


def _free(study):
    """The learned criteria without a budget."""
    return [entry["name"] for entry in study.settings["criteria"]["learned"] if entry["widths"] is None]


def _of_free(study):
    """A clause on learned criteria without a budget, where there are some."""
    names = _free(study)
    if not names:
        return ""
    return (
        f", and so does {joined(f'`{name}`' for name in names)}, which has no budget: units with closed gates leave "
        "first, then those with open ones by the order of their logits"
    )


def _measured(study, cell_of):
    cells = {kind: cell_of(kind) for kind in SHOWN}
    return {kind: cell for kind, cell in cells.items() if study.has(cell)}


def _beside(study, entry, opponent):
    cells = {kind: selection_widths.beside(study, entry, kind, opponent) for kind in SHOWN}
    return {kind: cell for kind, cell in cells.items() if cell}


def _row(study, words, cells):
    row: dict[str, str] = {"selection": words, "draws": _draws(study, cells)}
    for kind, cell in cells.items():
        row[KINDS[kind].column] = paired.accuracy(study.mean(cell, "accuracy"))
    first = next(iter(cells.values()))
    for column, shown in {"parameters": "parameters left", "macs": "multiply-adds left"}.items():
        row[shown] = f"{100 * study.mean(first, column) / study.mean(DENSE, column):.2f} %"
    return row


def _draws(study, cells):
    """The count of draws of a selection, and that of kinds with another."""
    counts = {kind: len(study.cells[cell]) // len(study.seeds) for kind, cell in cells.items()}
    first = next(iter(counts.values()))
    others = [f"{KINDS[kind].column} {count}" for kind, count in counts.items() if count != first]
    return f"{first} ({', '.join(others)})" if others else str(first)


# ---- units in common -----------------------------------------------------------------------------------------


def overlaps(study: Study, entries: list[Entry]) -> pandas.DataFrame:
    """A row for each learned criterion: its start, the units that it removes, and how many others remove too."""
    rows = []
    for entry in entries:
        row = {
            "selection": f"`{entry['name']}`",
            "start": f"`{entry['start']}`",
            "removed": f"{study.removed(entry):,}",
        }
        for criterion, score in learned.beside(entry).items():
            row[f"with `{score}`"] = f"{_shared(study, entry, criterion):.1f}"
        rows.append(row | {"by chance": f"{_shared_by_chance(study, entry):.1f}"})
    return pandas.DataFrame(rows)


def _shared(study, entry, other):
    """The count of units that an entry and another criterion both remove: the mean over seeds and draws."""
    counts = []
    for seed in study.seeds:
        others = _leaving(study, entry, other, seed)
        counts += [len(_leaving(study, entry, draw, seed) & others) for draw in learned.draws(entry)]
    return np.mean(counts)


def _leaving(study, entry, criterion, seed):
    """The units that a criterion, with its draw, removes from one network at the widths of an entry."""
    folder = across.network_folder(study.folder, study.settings, seed)
    table = tables.read(folder / "ranking" / f"{criterion}.csv", "unit")
    return set(table["unit"][: study.removed(entry)])


def _shared_by_chance(study, entry):
    """The expected count for random units, of which each layer removes as many: the mean hypergeometric count."""
    kept = study.kept[entry["name"]]
    return sum((study.counts[layer] - count) ** 2 / study.counts[layer] for layer, count in kept.items())


# ---- differences ---------------------------------------------------------------------------------------------


def differences(study: Study, entries: list[Entry]) -> tuple[pandas.DataFrame, dict[str, list]]:
    """(a row for each learned criterion and each other selection, {other in words: its Differences})."""
    rows, found = [], {}
    for entry in entries:
        for words, other_as, images in _others(study, entry):
            row = {"selection": f"`{entry['name']}`", "less": words}
            for column, kinds in BETWEEN.items():
                first, second = selection_widths.measured(study, entry, kinds[0]), other_as(kinds[1])
                row[column] = "-"
                if first and second and first != second:
                    row[column], difference = _difference(study, first, second, images)
                    found.setdefault(words, []).extend(difference)
            rows.append(row)
    table = pandas.DataFrame(rows)
    table = table[(table[[*BETWEEN]] != "-").any(axis=1)]
    empty = [column for column in BETWEEN if (table[column] == "-").all()]
    return table.drop(columns=empty), {words: values for words, values in found.items() if values}


def _others(study, entry):
    """(other selection in words, its network as a kind or None, how training images have to match)."""
    for opponent, words in OPPONENTS.items():
        yield words, lambda kind, opponent=opponent: selection_widths.beside(study, entry, kind, opponent), EQUAL
    chance = Cell(RANDOM, study.level(entry), NONE.name)
    yield f"`{RANDOM}`", lambda kind: _if_measured(study, chance._replace(kind=kind)), EQUAL
    fresh = selection_widths.fresh(study, entry)
    yield "fresh weights", lambda kind: fresh if kind == RETRAINED.name else None, AT_LEAST
    yield "the same selection, retrained", lambda kind: selection_widths.measured(study, entry, kind), EQUAL


def _if_measured(study, cell):
    return cell if study.has(cell) else None


def _difference(study, first, second, images):
    """(a cell of the table, [the Difference where the two are compared])."""
    if not selection_judging.as_many(study, first, second, images):
        return NOT_COMPARED, []
    compared = selection_study.compared(study, first, second)
    text = f"{paired.points(compared.difference)} ({compared.n})"
    return text, [compared.difference]


def _sentences(found):
    """The count of differences that are ahead and behind, over all learned criteria and kinds."""
    for words, values in found.items():
        counts, span = across_words.of_all(values), paired.span(values)
        yield f"Learned selections less {words}: {counts}; {span}."
