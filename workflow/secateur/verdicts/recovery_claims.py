"""The claims on recovery, all of this project, each with the comparisons that decide it."""

from __future__ import annotations

from collections.abc import Iterator

from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.analysis.wording import percent
from secateur.study.kinds import BATCHNORM, DISTILLED, KINDS, NONE, RECONSTRUCTED, Cell
from secateur.verdicts import paired, recovery_study, selection_study
from secateur.verdicts.finished import MARGIN_FULL
from secateur.verdicts.paired import Claim, Item
from secateur.verdicts.recovery_study import RANDOM, Study
from secateur.verdicts.selection_study import DENSE

# At most so much of the multiply-adds leaves where the closed form is asked for the dense network's accuracy.
FREE = 0.3


def left(level: float) -> str:
    """A level in words: the share of the multiply-adds that is left."""
    return f"{percent(round(1 - level, 9))} of the multiply-adds left"


def shown(cell: Cell) -> str:
    """A network in words: its criterion and treatment."""
    return "the dense network" if cell == DENSE else f"`{cell.criterion}`, {KINDS[cell.kind].column}"


def pair(study: Study, first: Cell, second: Cell, margin: float = 0.0) -> Iterator[Item]:
    """One network ahead of another, or not worse by a margin, where both were measured."""
    if not study.has(first, second):
        return
    compared = selection_study.compared(study, first, second)
    row = {
        "study": study.label,
        "level": left(first.level),
        "compared": f"{shown(first)} against {shown(second)}",
        "accuracy, %": " and ".join(map(paired.accuracy, (compared.first, compared.second))),
        **dict.fromkeys(("difference, points", "n"), "-"),
    }
    at_chance = max(compared.first, compared.second) <= study.chance + NEAR_CHANCE
    yield paired.item(row, compared, margin, at_chance)


def _each(study: Study) -> Iterator[tuple[str, float]]:
    """(criterion, level) of all, chance among them."""
    for level in study.shares:
        for criterion in study.criteria:
            yield criterion, level


def _treated(first: str, second: str, chance: bool = True):
    """Every criterion after one treatment against the same after another, with chance or without."""

    def items(study: Study) -> Iterator[Item]:
        for criterion, level in _each(study):
            if criterion == RANDOM and not chance:
                continue
            yield from pair(study, Cell(criterion, level, first), Cell(criterion, level, second))

    return items


def _like_dense(kind: str):
    """Every criterion after a treatment not worse than the dense network, where little is removed."""

    def items(study: Study) -> Iterator[Item]:
        for criterion, level in _each(study):
            if level <= FREE and criterion != RANDOM:
                yield from pair(study, Cell(criterion, level, kind), DENSE, MARGIN_FULL)

    return items


def _by_cost(study: Study) -> Iterator[Item]:
    """Scores by cost ahead of the same scores as they are, after every treatment."""
    for level in study.shares:
        for costed, plain in recovery_study.by_cost(study):
            for kind in study.treatments:
                yield from pair(study, Cell(costed, level, kind), Cell(plain, level, kind))


def _chance_recovered(study: Study) -> Iterator[Item]:
    """Chance, reconstructed, ahead of every criterion as pruned."""
    for criterion, level in _each(study):
        if criterion != RANDOM:
            yield from pair(study, Cell(RANDOM, level, RECONSTRUCTED.name), Cell(criterion, level, NONE.name))


def _ahead_of_chance(kind: str):
    """Every criterion ahead of chance after one treatment."""

    def items(study: Study) -> Iterator[Item]:
        for criterion, level in _each(study):
            if criterion != RANDOM:
                yield from pair(study, Cell(criterion, level, kind), Cell(RANDOM, level, kind))

    return items


CLAIMS = (
    Claim(
        "a",
        "New statistics of BatchNorm bring accuracy back: they are ahead of the network as pruned.",
        _treated(BATCHNORM.name, NONE.name),
    ),
    Claim(
        "b",
        "The closed form brings more back: it is ahead of new statistics of BatchNorm.",
        _treated(RECONSTRUCTED.name, BATCHNORM.name),
    ),
    Claim(
        "c",
        f"With at least {percent(1 - FREE)} of the multiply-adds, the closed form is not worse than the dense network, "
        f"by {100 * MARGIN_FULL:.1f} points.",
        _like_dense(RECONSTRUCTED.name),
    ),
    Claim(
        "d",
        "Scores by cost are ahead of the same scores as they are, at equal multiply-adds.",
        _by_cost,
    ),
    Claim(
        "e",
        "Recovery moves accuracy more than the criterion: chance, reconstructed, is ahead of criteria as pruned.",
        _chance_recovered,
    ),
    Claim("f", "Criteria count as pruned: they are ahead of chance.", _ahead_of_chance(NONE.name)),
    Claim(
        "g",
        "Criteria count behind the closed form too: they are ahead of chance.",
        _ahead_of_chance(RECONSTRUCTED.name),
    ),
    Claim(
        "h",
        "Training by the dense network's answers brings more back than the closed form that it starts from.",
        # Of chance one draw may be trained, which has no interval.
        _treated(DISTILLED.name, RECONSTRUCTED.name, chance=False),
    ),
    Claim(
        "i",
        f"With at least {percent(1 - FREE)} of the multiply-adds, the distilled network is not worse than the dense, "
        f"by {100 * MARGIN_FULL:.1f} points.",
        _like_dense(DISTILLED.name),
    ),
)
