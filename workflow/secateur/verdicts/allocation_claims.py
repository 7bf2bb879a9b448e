"""The claims on allocation and on steps, all of this project, each with the comparisons that decide it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from secateur.study.kinds import Cell
from secateur.verdicts.allocation_study import CHANCE_WITHIN, EQUAL_SHARES, Study
from secateur.verdicts.paired import Claim, Item
from secateur.verdicts.recovery_claims import pair

Pairs = Callable[[Study], Iterable[tuple[str, str]]]


def _each(pairs: Pairs) -> Callable[[Study], Iterator[Item]]:
    """One criterion ahead of another, at every level and after every treatment."""

    def items(study: Study) -> Iterator[Item]:
        for level in study.shares:
            for first, second in pairs(study):
                for kind in study.treatments:
                    yield from pair(study, Cell(first, level, kind), Cell(second, level, kind))

    return items


def _beside(prefix: str) -> Pairs:
    """Allocations, and a control of each."""
    return lambda study: [(name, f"{prefix}{name}") for name in study.allocated]


def _steps_both_ways(study: Study) -> Iterator[tuple[str, str]]:
    """Steps against the dense network, and the same against that of the step before."""
    for name, entry in study.rescored.items():
        for other, others in study.rescored.items():
            same = entry["criterion"] == others["criterion"] and entry["steps"] == others["steps"]
            if same and (entry["against"], others["against"]) == ("dense", "before"):
                yield name, other


CLAIMS = (
    Claim(
        "a",
        "Levels shared out by sensitivity are ahead of the same criterion ranked over all layers.",
        _each(lambda study: study.allocated.items()),
    ),
    Claim(
        "b",
        "Levels shared out by sensitivity are ahead of every ranking over all layers.",
        _each(lambda study: [(name, other) for name in study.allocated for other in study.global_rankings]),
    ),
    Claim("c", "They are ahead of the same order at equal shares of all layers.", _each(_beside(EQUAL_SHARES))),
    Claim(
        "d",
        "Which units leave counts beside how many: they are ahead of chance with their widths.",
        _each(_beside(CHANCE_WITHIN)),
    ),
    Claim(
        "e",
        "Scored in steps, a criterion is ahead of itself scored once.",
        _each(lambda study: [(name, entry["criterion"]) for name, entry in study.rescored.items()]),
    ),
    Claim(
        "f",
        "Steps that recover against the dense network are ahead of steps that recover against the one before.",
        _each(_steps_both_ways),
    ),
)
