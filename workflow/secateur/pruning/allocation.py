"""Allocation: how many units of each group of layers leave under a budget, from measured damages.

Damages of groups are taken to add up, and so are their savings (SPDY, Frantar and Alistarh, ICML 2022, allocates
sparsities of layers in the same way).
"""

from collections.abc import Sequence

import numpy as np

from secateur import Refused

# Savings are counted in parts of the budget, so many or a few times more, rounded down: a choice saves what is asked
# for, and at most one part for each group more than it counts.
PARTS = 4_000
TIMES = 8


def chosen(
    savings: Sequence[np.ndarray], damages: Sequence[np.ndarray], wanted: float, more: float = np.inf
) -> list[int]:
    """The index of one option of each group: their savings have a sum of at least `wanted`, their damages the smallest.

    `savings` and `damages` are (options,) of each group, by dynamic programming over the sums of savings, which are at
    most `more` above what is wanted. Whole savings up to TIMES * PARTS in all are exact. Raises Refused where no sum is
    in that range.
    """
    part = _part(savings, wanted)
    steps = [np.floor(np.asarray(saving, float) / part).astype(int) for saving in savings]
    least = max(0, int(np.ceil(wanted / part)))
    most = min(sum(int(step.max()) for step in steps), (wanted + more) / part)
    smallest = np.full(max(least, int(most)) + 1, np.inf)
    smallest[0] = 0
    options = []
    for step, damage in zip(steps, damages, strict=True):
        smallest, option = _extended(smallest, step, np.asarray(damage, float))
        options.append(option)
    place = least + int(np.argmin(smallest[least:]))
    if not np.isfinite(smallest[place]):
        raise Refused(f"no allocation saves {wanted:,.0f}: all groups of layers together save less; lower the level")
    return _followed_back(options, steps, place)


def _part(savings, wanted):
    """The size of a part of the budget: 1 where savings are few whole ones."""
    total = sum(float(np.max(saving)) for saving in savings)
    whole = all((np.asarray(saving) % 1 == 0).all() for saving in savings)
    return 1.0 if whole and total <= TIMES * PARTS else max(wanted, total / TIMES) / PARTS


def _extended(smallest, steps, damage):
    """(smallest damage, its option) by the sum of savings, with one group more."""
    found, option = np.full(len(smallest), np.inf), np.zeros(len(smallest), np.int32)
    for index, (step, loss) in enumerate(zip(steps.tolist(), damage.tolist(), strict=True)):
        if step >= len(smallest):
            continue
        sums = smallest[: len(smallest) - step] + loss
        better = sums < found[step:]
        found[step:][better], option[step:][better] = sums[better], index
    return found, option


def _followed_back(options, steps, place):
    """The option of each group, from the last one back."""
    chosen = []
    for option, of_group in zip(reversed(options), reversed(steps), strict=True):
        chosen.append(int(option[place]))
        place -= int(of_group[chosen[-1]])
    return chosen[::-1]
