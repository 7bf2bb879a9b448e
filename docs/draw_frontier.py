"""Draw docs/recovery-frontier.svg from the results of finished studies of recovery.

python docs/draw_frontier.py results/STUDY ... docs/recovery-frontier.svg
"""

import sys

from secateur.artifacts import files
from secateur.figures import appearance, frontier
from secateur.study.kinds import DISTILLED, Cell
from secateur.verdicts import recovery_study, selection_study
from secateur.verdicts.recovery_study import RANDOM
from secateur.verdicts.selection_study import DENSE

# One criterion that leads under every treatment in trials, named before the studies ran, beside chance.
SHOWN = ("taylor_activation.per_macs", RANDOM)


def panel(study):
    """The Panel of a finished study."""
    kinds = [*study.treatments, DISTILLED.name]
    lines = [line for criterion in SHOWN for kind in kinds if (line := _line(study, criterion, kind))]
    return frontier.Panel(f"{study.network}, {study.size} pixels", study.mean(DENSE, "accuracy"), lines)


def _line(study, criterion, kind):
    """The Line of a criterion after a treatment, or None where no level was measured."""
    cells = [cell for level in study.shares if study.has(cell := Cell(criterion, level, kind))]
    if not cells:
        return None
    compared = [selection_study.compared(study, cell, DENSE) for cell in cells]
    dense, differences = compared[0].second, [one.difference for one in compared]
    return frontier.Line(
        criterion,
        kind,
        criterion == RANDOM,
        [study.left(cell) for cell in cells],
        [one.first for one in compared],
        [dense + one.low for one in differences],
        [dense + one.high for one in differences],
    )


def main(folders, path):
    """Draw the frontier of all studies into one file."""
    with files.replacing(path) as temporary:
        appearance.save(frontier.frontier(list(map(panel, map(recovery_study.read, folders)))), temporary)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1:-1], sys.argv[-1])
    except (ValueError, OSError) as error:
        sys.exit(f"draw_frontier: {error}")
