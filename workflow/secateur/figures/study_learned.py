"""The section of a study's page on learned selection: each learned criterion beside its controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from secateur.figures import page_parts, study_answer

if TYPE_CHECKING:
    import pandas

    from secateur.analysis.answer import Chosen
    from secateur.figures.page_parts import Study

# {what a learned criterion is compared with: its criterion}.
CONTROLS = {
    "its widths, channels by chance": study_answer.OWN_WIDTHS,
    "equal widths": "uniform.{0}",
    "chance": "random",
}


def section(study: Study, picked: Chosen, rows: pandas.DataFrame, of_family: Mapping[str, str]) -> str:
    """Learned criteria at every level, with differences to their controls; nothing for a study without any."""
    names = [name for name, family in of_family.items() if family == "learned"]
    if not names:
        return ""
    weights = {f"weights ({picked.weights})": picked.weights} if picked.weights else {}
    # Of controls that no learned criterion has there is no column.
    controls = {}
    for words, pattern in {**CONTROLS, **weights}.items():
        if any(study.results.has(pattern.format(name)) for name in names):
            controls[words] = pattern

    def table_at(level):
        lines = []
        for name in names:
            row = page_parts.at(rows, name, level)
            if row is not None:
                texts = [_points(study, name, control, level) for control in controls.values()]
                cells = [page_parts.name_of(name), page_parts.shown(row), *texts]
                lines.append(page_parts.row_of(name, cells, "learned"))
        return page_parts.table_of(["criterion", "test accuracy, %", *(f"minus {words}" for words in controls)], lines)

    note = '<p class="method">Differences in points, paired; bold where the interval leaves out zero.</p>'
    return page_parts.section("learned", [note, *page_parts.at_levels(study, picked, table_at)])


def _points(study, name, control, level):
    return page_parts.points(study.difference(name, control.format(name), level))
