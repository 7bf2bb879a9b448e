"""Finished studies with learned criteria: their measured networks by criterion, level and kind, and differences.

Everything is read from a study's own files; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas

from secateur import Refused, ranking
from secateur.analysis import intervals, retraining
from secateur.artifacts import correctness, evaluation_table, tables
from secateur.study import criteria_names, learned, seeds, vocabulary, widths
from secateur.study.kinds import EPOCH, NONE, Cell
from secateur.verdicts import across
from secateur.verdicts.across import Difference
from secateur.verdicts.finished import Finished, exact
from secateur.verdicts.paired import Compared

Entry = Mapping[str, Any]

EVALUATED = (
    *("seed", "split", "criterion", "keep_at_least", "level", "images"),
    *("units", "parameters", "macs", "accuracy"),
)
RETRAINED = ("seed", "criterion", "level", "kind", "images", "trained_images", "parameters", "macs", "accuracy")
DENSE = Cell("dense", 0.0, NONE.name)
PHASE = ("units", "closed", "dead", "images")


@dataclasses.dataclass(frozen=True)
class Study(Finished):
    """A finished study with learned criteria.

    `cells` has a row for each network: seed, draw, trained_images, units (removed), parameters, macs, accuracy. `right`
    is, of one network alone, {(draw, level, kind): bools (images,)}. `phases` has a row for each gate phase: criterion,
    seed, units, closed and dead ones, and training images. `counts` is {layer: count of units}; `kept` says, for every
    criterion at given widths, {layer: count that stays}, and `levels` at which level that is.
    """

    of_the_source: ClassVar[tuple[str, ...]] = ("resnet110",)
    cells: Mapping[Cell, pandas.DataFrame]
    right: Mapping[tuple[str, float, str], np.ndarray]
    phases: pandas.DataFrame
    counts: Mapping[str, int]
    kept: Mapping[str, Mapping[str, int]]
    levels: Mapping[str, float]

    @property
    def entries(self) -> list[Entry]:
        """The criteria that gates learned at widths which were asked for."""
        learned_criteria = self.settings["criteria"]["learned"]
        return [entry for entry in learned_criteria if entry["widths"] is not None and not learned.scores_units(entry)]

    @property
    def images(self) -> int:
        """The count of the images that are reported."""
        return int(self.cells[DENSE]["images"].iloc[0])

    @property
    def chance(self) -> float:
        """The accuracy of a guess."""
        return 1 / len(evaluation_table.of_classes(self.cells[DENSE]))

    def removed(self, entry: Entry) -> int:
        """The count of units that leave where the widths of an entry are met."""
        return widths.removed(self.kept[entry["name"]], self.counts)

    def level(self, entry: Entry) -> float:
        """The study's level at which the widths of an entry are met."""
        return self.levels[entry["name"]]

    def has(self, *cells: Cell) -> bool:
        """Tell whether all of these were measured."""
        return all(cell in self.cells for cell in cells)

    def mean(self, cell: Cell, column: str) -> float:
        """The mean of a column: over the draws of each seed, then over seeds; no number where one is missing."""
        return _mean(self.cells[cell], column)

    def distinct(self, cell: Cell, column: str) -> list[int]:
        """The distinct counts in a column, sorted."""
        return sorted(set(self.cells[cell][column].astype(int)))

    def of(self, entry: Entry, kind: str, beside: str = "") -> Cell:
        """The cell of a learned criterion at its widths, or with `beside` that of `l1`, `shuffled`, ... there."""
        name = f"{beside}.{entry['name']}" if beside else entry["name"]
        return Cell(name, self.level(entry), kind)


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one without learned criteria."""
    if not across.settings_of(folder)["criteria"]["learned"]:
        raise Refused(f"{folder} has no learned criterion (criteria.learned), and this page is about those")
    return measured(folder)


def measured(folder: Path | str) -> Study:
    """A finished study from its `results` folder, of any criteria."""
    folder, settings = Path(folder), across.settings_of(folder)
    evaluated = _evaluated(tables.read(folder / "tables" / "evaluations.csv", *EVALUATED))
    seen = settings["recovery"]["epoch"]["images"] or settings["split"]["train"]
    of_an_epoch = evaluated["kind"] == EPOCH.name
    # All training images, of which the settings do not know the count, are no number.
    evaluated["trained_images"] = evaluated["trained_images"].mask(of_an_epoch, np.nan if seen is None else seen)
    parts = [evaluated, _dense(evaluated)]
    if settings["retraining"]:
        parts.append(_retrained(tables.read(folder / "tables" / "retraining.csv", *RETRAINED)))
    right = {}
    if len(settings["training"]["seeds"]) == 1:
        right = _right(folder, settings, parts[-1] if settings["retraining"] else None)
    units = tables.read(_of_seed(folder, settings) / "units" / "units.csv", "unit", "layer")
    counts = ranking.counts_of(units)
    kept = _kept(settings["criteria"], counts)
    levels = {name: _level(settings, layers, counts, name) for name, layers in kept.items()}
    return Study(folder, settings, _cells(parts), right, _phases(folder, settings), counts, kept, levels)


def _kept(criteria, counts):
    """{criterion at given widths: {layer: count of units that stay}}."""
    kept = {}
    for entry in (*criteria["learned"], *criteria["scores"]):
        if entry.get("widths"):
            kept[entry["name"]] = widths.resolved(entry["widths"], counts, entry["name"])
    return kept


def _level(settings, kept, counts, name):
    """The level at which so many units of all layers are removed."""
    return widths.met_by(settings["levels"], widths.removed(kept, counts), sum(counts.values()), name)


def _of_seed(folder, settings, seed=None):
    """The folder of one network, that of the first seed unless another is named."""
    return across.network_folder(folder, settings, settings["training"]["seeds"][0] if seed is None else seed)


def _evaluated(table):
    """The networks that were not retrained, of the first floor and on the test images.

    Those with a recovery have its name as their kind; a study without recoveries has no such column.
    """
    if "recovery" not in table:
        table = table.assign(recovery=NONE.name)
    # A copy is whole again: column after column was added to the table, of which pandas warns.
    table = table[(table["split"] == "test") & (table["keep_at_least"] == table["keep_at_least"].iloc[0])].copy()
    return _named(table.rename(columns={"recovery": "kind"}).assign(trained_images=0))


def _dense(evaluated):
    """Level 0, which is the same network by every criterion."""
    rows = evaluated[evaluated["level"] == 0].drop_duplicates(["seed", "kind"])
    return rows.assign(criterion=DENSE.criterion, draw=DENSE.criterion)


def _retrained(table):
    """The retrained networks; those without retraining are in the evaluations."""
    return _named(table[table["kind"] != NONE.name])


def _named(table):
    """A table with its criteria without their draws, and the names with their draws in a column of their own."""
    level = table["level"].astype(float).round(9)
    family = table["criterion"].map(vocabulary.without_draw)
    return table.assign(level=level, draw=table["criterion"], criterion=family)


def _cells(parts):
    """{Cell: a row for each of its networks}; one that was measured by two stages counts once."""
    rows = exact(pandas.concat(parts, ignore_index=True)).drop_duplicates(["seed", "draw", "level", "kind"])
    return {Cell(*keys): part for keys, part in rows.groupby(["criterion", "level", "kind"], sort=False)}


def _right(folder, settings, retrained):
    """{(draw, level, kind): bools (images,)} of the networks of one training."""
    place, right = _of_seed(folder, settings), {}
    if retrained is not None:
        for row in retrained.itertuples():
            path = place / "retraining" / f"{Cell(row.draw, row.level, row.kind).path}.h5"
            right[row.draw, row.level, row.kind] = correctness.read(path, 1)[0]
    for job in criteria_names.evaluated(settings, criteria_names.of(settings)):
        path = place / "evaluation" / f"{job}.csv"
        table = tables.read(path, "criterion", "keep_at_least", "level").assign(split="test")
        bits = correctness.read(path.with_name(f"{job}.h5"), len(table))
        for row in _evaluated(table).itertuples():
            right[row.draw, row.level, row.kind] = bits[row.Index]
            if row.level == 0:
                right[DENSE.criterion, row.level, row.kind] = bits[row.Index]
    return right


def _phases(folder, settings):
    """A row for each gate phase, from its manifest: criterion, seed, and PHASE."""
    rows = []
    for seed in settings["training"]["seeds"]:
        for name, entry in learned.by_draw(settings["criteria"]["learned"]).items():
            if learned.scores_units(entry):
                continue
            path = _of_seed(folder, settings, seed) / "selection" / f"{name}.json"
            facts = json.loads(path.read_text(encoding="utf-8"))["learned"]
            rows.append({"criterion": entry["name"], "seed": seed, **{key: facts[key] for key in PHASE}})
    return pandas.DataFrame(rows, columns=("criterion", "seed", *PHASE))


# ---- differences ---------------------------------------------------------------------------------------------


def compared(study: Study, first: Cell, second: Cell) -> Compared:
    """One network's accuracy minus another's: over seeds, draws averaged within each; of one network over draws, and
    over images where neither is drawn."""
    options, seed = study.settings["figures"], study.settings["seed"]
    sides = retraining.of_shared_draws(study.cells[first], study.cells[second])
    if sides is None:
        own, other = (study.mean(cell, "accuracy") for cell in (first, second))
        return Compared(own, other, Difference(np.nan, np.nan, np.nan), "no draw that both have")
    paired, n = _paired(study, (first, second), sides)
    generator = seeds.numpy_generator(seed, "selection", *first, *second)
    test = intervals.of_differences(paired, options["resamples"], generator, tested=True)
    difference = Difference(test.estimate, *test.interval(1 - options["confidence"]))
    first_mean, second_mean = (_mean(rows, "accuracy") for rows in sides)
    return Compared(first_mean, second_mean, difference, n)


def _paired(study, cells, sides):
    """(the paired differences, their n in words)."""
    if len(study.seeds) > 1:
        first, second = (_by_seed(rows, "accuracy") for rows in sides)
        return first - second, f"{len(first)} seeds"
    right, others = (_by_image(study, cell, rows) for cell, rows in zip(cells, sides, strict=True))
    alike = vocabulary.draws_alike(cells[0].criterion, cells[1].criterion)
    return intervals.between(right, others, alike), _draws(right, others, alike)


def _mean(rows, column):
    """The mean of a column over seeds, draws averaged within each first."""
    return float(_by_seed(rows, column).mean(skipna=False))


def _by_seed(rows, column):
    """A column by training seed, draws averaged; no number where one is missing."""
    return rows.groupby("seed")[column].agg(lambda values: values.mean(skipna=False))


def _by_image(study, cell, rows):
    """(images,) of a criterion, (draws, images) of one that is drawn; no numbers for a network that has none."""
    rows = rows.sort_values("draw")
    right = np.stack([study.right[draw, cell.level, cell.kind] for draw in rows["draw"]]).astype(np.float64)
    right[rows["accuracy"].isna().to_numpy()] = np.nan
    return right if (rows["draw"] != cell.criterion).any() else right[0]


def _draws(first, second, alike):
    """The counts of draws of two sides of one network, in words."""
    counts = [len(side) for side in (first, second) if np.ndim(side) == 2]
    if not counts:
        return "1 network"
    if len(counts) == 2 and (len({*counts}) > 1 or not alike):
        return "{} and {} draws".format(*counts)
    return "1 draw" if counts[0] == 1 else f"{counts[0]} draws"
