"""The section of a study's page on levels per layer: what each group of layers can lose, measured."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from secateur.analysis import sensitivity, wording
from secateur.figures import page_parts, study_curves
from secateur.figures import sensitivity as drawing

if TYPE_CHECKING:
    from secateur.figures.page_parts import Study

CHEAP, LAST = "share that costs less than a point", "accuracy at the last step"
COLUMNS = ["seed", "group", "layers", "units", "removed", "share", "accuracy", "loss"]
METHOD = (
    "The units of one group of layers whose channels leave together are removed in the order of the criterion, while "
    "all other groups are whole, and accuracy is measured after the recovery sensitivity.recovery on images of "
    "sensitivity.split. Means over networks. A criterion whose name ends in .allocated shares levels out by these "
    "curves."
)


def section(study: Study) -> str:
    """A figure and a table for each criterion whose groups were measured; nothing for a study without any."""
    parts, headlines = [], []
    for place, (criterion, table) in enumerate(study.sensitivity.items()):
        groups = table[table["group"] != sensitivity.WHOLE]
        lost = sensitivity.tolerated(groups, sensitivity.accuracy_of_whole(table))
        headlines.append(_words(criterion, lost))
        parts.append(_figure(f"layers-{place}", study, criterion, table, headlines[-1]))
        parts.append(_table(lost))
    if not parts:
        return ""
    return page_parts.section("layers", parts, html.escape(" ".join(headlines)))


def _words(criterion, lost):
    """The groups that can lose most and least, in a sentence."""
    ordered = lost.sort_values(CHEAP, kind="stable")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    if least[CHEAP] == most[CHEAP]:
        return f"By {criterion}, every group can lose {_share(least)} of its units for less than a point of accuracy."
    return (
        f"By {criterion}, {most['group']} can lose {_share(most)} of its units for less than a point of accuracy, and "
        f"{least['group']} {_share(least)}."
    )


def _share(row):
    return wording.percent(round(row[CHEAP], 3))


def _figure(name, study, criterion, table, words):
    figure = drawing.of_criterion(table, criterion, study.config["model"]["name"] or "the network")
    csv = table[COLUMNS].round(5).to_csv(index=False, lineterminator="\n")
    title = f"What each group of layers can lose by {criterion}"
    return page_parts.figure_of(name, study_curves.inline(figure, name), title, words, csv, METHOD)


def _table(lost):
    rows = []
    for row in lost.to_dict("records"):
        cells = [page_parts.name_of(row["group"]), str(row["units"]), _share(row), f"{100 * row[LAST]:.1f}"]
        rows.append(page_parts.row_of("", cells))
    return page_parts.table_of(["group of layers", "units", CHEAP, f"{LAST}, %"], rows)
