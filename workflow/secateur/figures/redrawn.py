"""The figure of networks of equal widths that were trained from first weights, as they were and drawn anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from secateur.figures import tickets
from secateur.study import vocabulary
from secateur.study.kinds import NONE
from secateur.study.reinitialisations import BY_NAME, OF_KINDS

if TYPE_CHECKING:
    import pandas


def of_study(means: pandas.DataFrame, rows: pandas.DataFrame, histories: pandas.DataFrame, network: str) -> Figure:
    """A panel for each criterion and level, from the tables of retraining and the one of `analysis.epochs.read_steps`.

    `network` is for the title.
    """
    dense = rows.loc[(rows["level"] == 0) & (rows["kind"] == NONE.name), "accuracy"].mean()
    rows = rows.assign(criterion=rows["criterion"].map(vocabulary.without_draw))
    panels = []
    for (criterion, level), own in histories.groupby(["criterion", "level"], sort=False):
        names = {kind: name for name, kind in OF_KINDS.items() if name in set(own["name"])}
        parts = [_of(part, criterion, level) for part in (own, rows, means)]
        order = {kind: names[kind] for kind in BY_NAME if kind in names}
        panels.append(tickets.Panel(f"{100 * level:g} % by {criterion}", order, *parts))
    return tickets.of_kinds(panels, dense, f"Channels by what their first weights keep: {network}")


def _of(table, criterion, level):
    """The rows of one criterion and level, of kinds that are a re-initialisation, under its name."""
    name = table["name"] if "name" in table else table["kind"]
    own = table[(table["criterion"] == criterion) & (table["level"] == level) & name.isin(OF_KINDS)]
    return own.assign(kind=(own["name"] if "name" in own else own["kind"]).map(OF_KINDS))
