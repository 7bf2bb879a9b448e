"""Finished studies of allocation: their networks at equal multiply-adds, and what the search for them cost.

Everything is read from a study's own files; nothing is computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas

from secateur import Refused
from secateur.analysis import sensitivity
from secateur.artifacts import provenance, tables
from secateur.study import criteria_names
from secateur.study.kinds import NONE
from secateur.verdicts import across, recovery_study
from secateur.verdicts.selection_study import DENSE

# Controls of an allocated criterion: its own order at equal shares of all layers, and random channels at its shares.
EQUAL_SHARES, CHANCE_WITHIN = "uniform.", "shuffled."


@dataclasses.dataclass(frozen=True)
class Study(recovery_study.Study):
    """A finished study whose levels are shared out between layers by sensitivity, or whose criteria are in steps.

    `curves` is {criterion: the table of its sensitivity over all networks, with a column seed}; `costs` has a row for
    each search: criterion, networks of its curves (0 for steps), those that the last run measured, images of each, and
    CPU seconds of that run, means over networks.
    """

    curves: Mapping[str, pandas.DataFrame]
    costs: pandas.DataFrame

    @property
    def allocated(self) -> dict[str, str]:
        """{criterion whose levels are shared out: the criterion whose order within layers it keeps}."""
        return criteria_names.allocated(self.settings["criteria"])

    @property
    def rescored(self) -> dict[str, Mapping[str, Any]]:
        """{criterion in steps: its entry}."""
        return criteria_names.rescored(self.settings["criteria"])

    @property
    def global_rankings(self) -> list[str]:
        """The criteria that rank all layers together, once."""
        made = {*self.allocated, *self.rescored, recovery_study.RANDOM}
        return [name for name in self.criteria if name not in made]

    @property
    def shown(self) -> list[str]:
        """All that was evaluated, draws as one, controls behind their criterion."""
        known = dict.fromkeys(cell.criterion for cell in self.cells if cell.kind == NONE.name and cell != DENSE)
        names = []
        for name in self.criteria:
            beside = (name, f"{EQUAL_SHARES}{name}", f"{CHANCE_WITHIN}{name}")
            names += [one for one in beside if one in known]
        return names


def read(folder: Path | str) -> Study:
    """A finished study from its `results` folder; Refused for one that neither allocates nor ranks in steps."""
    base = recovery_study.read(folder)
    criteria = base.settings["criteria"]
    if not criteria["allocated"] and not criteria["rescored"]:
        raise Refused(
            f"{folder} is no study of allocation: it has neither criteria.allocated nor criteria.rescored, and this "
            "page is about those"
        )
    return Study(**vars(base), curves=_curves(base), costs=_costs(base))


def _places(base):
    """[(seed, folder of its network)]."""
    return [(seed, across.network_folder(base.folder, base.settings, seed)) for seed in base.seeds]


def _curves(base):
    curves = {}
    for name in base.settings["criteria"]["allocated"]:
        parts = []
        for seed, place in _places(base):
            parts.append(tables.read(place / "sensitivity" / f"{name}.csv", *sensitivity.COLUMNS).assign(seed=seed))
        curves[name] = pandas.concat(parts, ignore_index=True)
    return curves


def _costs(base):
    rows = []
    for name, plain in criteria_names.allocated(base.settings["criteria"]).items():
        facts = [provenance.read(place / "sensitivity" / f"{plain}.json")["measured"] for _, place in _places(base)]
        rows.append(_cost(name, facts))
    for name in criteria_names.rescored(base.settings["criteria"]):
        facts = [provenance.read(place / "ranking" / f"{name}.json")["rescored"] for _, place in _places(base)]
        rows.append(_cost(name, facts))
    return pandas.DataFrame(rows)


def _cost(name, facts):
    means = pandas.DataFrame(facts).reindex(columns=["networks", "measured_now", "images", "cpu_seconds"]).mean()
    return {"criterion": name, **means.fillna(0)}
