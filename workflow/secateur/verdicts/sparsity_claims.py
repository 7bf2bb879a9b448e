"""The claims and questions of the source on sparse training, each with the comparisons that decide it, by level."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator

from secateur.analysis.paired_tests import FAILS, HOLDS, NEAR_CHANCE, UNKNOWN
from secateur.analysis.wording import joined, percent
from secateur.study.sparse import REFERENCE, SparseCell
from secateur.verdicts import across_words, paired, phrases, sparsity_study, sparsity_variants
from secateur.verdicts.paired import NOT_MEASURED, Claim, Finding, Item
from secateur.verdicts.sparsity_variants import ADAPTIVE, BOTH, DROPPED, DYNAMIC, NO_GRADIENT

ACCURACIES, GAINS = "accuracy, %", "gains, points"
SHARE, RULE = "share dropped", "rule"
# Below such a share of the dense network's accuracy, "ahead" is said of a reference that keeps little itself.
LITTLE = 0.5


# ---- items ---------------------------------------------------------------------------------------------------


def _ahead(kind, study):
    """Variants of a kind are ahead of Feather."""
    for name, level in _cells(study, kind):
        yield _item(study, (name, REFERENCE), level, 0.0)


def _behind(kind, study):
    """Feather is ahead of the variants of a kind."""
    for name, level in _cells(study, kind):
        yield _item(study, (REFERENCE, name), level, 0.0)


def _dropping(study):
    """Variants that drop zero weights for good are not worse than Feather."""
    for name, level in _cells(study, DROPPED):
        options = study.variants[name]
        more = {SHARE: percent(options["drop"]), RULE: f"`{options['drop_rule']}`"}
        item = _item(study, (name, REFERENCE), level, study.margin, more)
        # Each share is a question of its own: one that loses says nothing against a smaller one.
        place = f"{percent(level)}, {more[SHARE]} dropped by {more[RULE]}"
        yield dataclasses.replace(item, row=item.row | {"level": place})


def _cells(study, *kinds):
    """(variant, level) of some kinds, from the lowest level; of dropped weights from the smallest share."""
    named = sparsity_variants.of_kind(study.variants, *kinds)
    cells = [(name, level) for name, options in named.items() for level in options["levels"]]
    return sorted(cells, key=lambda cell: (cell[1], named[cell[0]]["drop"]))


def _item(study, names, level, margin, more=None):
    """The Item of two variants at a level; `more` are cells of its row."""
    first, second = (SparseCell(name, level) for name in names)
    pair = f"{study.marked(first)} against {study.marked(second)}"
    row = _row(study, percent(level), pair, (*(more or {}), ACCURACIES)) | (more or {})
    if first not in study.cells or second not in study.cells:
        return Item(row, NOT_MEASURED)
    compared = sparsity_study.compared(study, first, second)
    row[ACCURACIES] = " and ".join(map(paired.accuracy, (compared.first, compared.second)))
    return _marked(study, paired.item(row, compared, margin, _at_chance(study, first, second)), level)


def _marked(study, item, level):
    """The Item itself, with a mark where Feather keeps little of the dense network's accuracy."""
    if item.row["n"].endswith(paired.AT_CHANCE) or not keeps_little(study, level):
        return item
    return dataclasses.replace(item, row=item.row | {"n": f"{item.row['n']}, `{REFERENCE}` keeps little"})


def keeps_little(study: sparsity_study.Study, level: float) -> bool:
    """True where Feather has less than the share LITTLE of the dense network's accuracy."""
    cell = SparseCell(REFERENCE, level)
    if cell not in study.cells:
        return False
    return study.mean(cell, "accuracy") < LITTLE * study.mean(sparsity_study.DENSE, "accuracy")


def _row(study, level, pair, columns):
    columns = (*columns, "difference, points", "n", paired.COULD_BE_SEEN)
    return {"study": study.label, "level": level, "compared": pair, **dict.fromkeys(columns, "-")}


def _at_chance(study, first, second):
    return max(study.mean(cell, "accuracy") for cell in (first, second)) <= study.chance + NEAR_CHANCE


def _extreme(study):
    """At the highest level there is a gain over Feather, and a larger one than at the lowest."""
    for name, options in sparsity_variants.of_kind(study.variants, DYNAMIC, ADAPTIVE, BOTH).items():
        shared = [level for level in options["levels"] if SparseCell(REFERENCE, level) in study.cells]
        if len(shared) > 1 and len(study.seeds) > 1:
            yield _steeper(study, name, shared[-1], shared[0])
        else:
            yield Item(_of_gains(study, "", name), NOT_MEASURED)


def _of_gains(study, level, name):
    return _row(study, level, f"gains of `{name}` over `{REFERENCE}`", [GAINS])


def _steeper(study, name, high, low):
    gains, sides, chance = [], [], False
    for level in (high, low):
        cells = SparseCell(name, level), SparseCell(REFERENCE, level)
        gains.append(sparsity_study.by_seed(study, cells[0]) - sparsity_study.by_seed(study, cells[1]))
        sides.append(float(gains[-1].mean()))
        chance = chance or _at_chance(study, *cells)
    row = _of_gains(study, f"{percent(high)} less {percent(low)}", name)
    row[GAINS] = " and ".join(f"{100 * side:+z.2f}" for side in sides)
    marked = any(keeps_little(study, level) for level in (high, low))
    compared = sparsity_study.of_differences(study, gains[0] - gains[1], (sides[0], sides[1]))
    item = paired.item(row, compared, 0.0, chance)
    gain = sparsity_study.of_differences(study, gains[0], (sides[0], 0.0)).difference
    item = _unless_a_loss(item, paired.verdict(gain, 0.0), percent(high))
    return _marked(study, item, high) if marked else item


def _unless_a_loss(item, ahead, level):
    """The Item itself where the addition is `ahead` at the highest level: a smaller loss is no larger gain."""
    if item.verdict != HOLDS or ahead == HOLDS:
        return item
    lost = "behind" if ahead == FAILS else "not shown to be ahead"
    row = item.row | {"n": f"{item.row['n']}, {lost} at {level}"}
    return dataclasses.replace(item, row=row, verdict=ahead)


# ---- the claims ----------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "a",
        "A dynamic scale of gradients, which follows the sparsity, is ahead of Feather.",
        functools.partial(_ahead, DYNAMIC),
    ),
    Claim(
        "b",
        "An adaptive schedule, which follows the regrowth, is ahead of Feather.",
        functools.partial(_ahead, ADAPTIVE),
    ),
    Claim("c", "Both together are ahead of Feather.", functools.partial(_ahead, BOTH)),
    Claim(
        "d",
        "Especially at extreme sparsity: at the highest level these are ahead of Feather, and by more than at the "
        "lowest.",
        _extreme,
    ),
    Claim(
        "e",
        "A share of the zero weights can be dropped for good: the network is not worse than Feather's, by the margin.",
        _dropping,
    ),
    Claim(
        "f",
        "Without a gradient of the zero weights accuracy is lost: Feather is ahead (by prototypes of this project, at "
        "90 and 98 %; other levels are asked here).",
        functools.partial(_behind, NO_GRADIENT),
    ),
)
OF_DROPPING = "e"
# Whose each claim is, by its letter: in the abstract, read into it, or asked here.
MADE_BY = {
    "a": "the source",
    "b": "the source",
    "c": "a reading of the source",
    "d": "the source",
    "e": "a question of the source",
    "f": "this project",
}


# ---- which share matters -------------------------------------------------------------------------------------


def shares(findings: Iterable[Finding]) -> Iterator[str]:
    """Sentences, one for each study, level and rule of dropping.

    The share up to which none is worse, the smallest that is, and how many are behind.
    """
    by_rule: dict[tuple[str, str, str], list[Item]] = {}
    for finding in findings:
        for item in finding.items:
            place = (finding.study.label, item.row["level"].partition(",")[0], item.row[RULE])
            by_rule.setdefault(place, []).append(item)
    for (label, level, rule), items in by_rule.items():
        yield f"{label} at {level}, by {rule}: {_of_rule(items)}."


def _of_rule(items):
    """A clause on shares from the smallest to the largest."""
    worse = [item.row[SHARE] for item in items if item.verdict == FAILS]
    first_worse = next((place for place, item in enumerate(items) if item.verdict == FAILS), len(items))
    not_worse = [item for item in items[:first_worse] if item.verdict == HOLDS]
    best, worst = "none is shown not to be worse", "none is shown to be worse"
    if not_worse:
        side = not_worse[-1].side
        within = f" ({side})" if side else ""
        best = f"the largest that is not worse is {not_worse[-1].row[SHARE]}{within}"
    if worse:
        worst = f"the smallest that is worse is {worse[0]}"
    clauses = [f"{best}, and {worst}"]
    beyond = [item.row[SHARE] for item in items[first_worse:] if item.verdict == HOLDS]
    if beyond:
        clauses.append(f"not worse all the same: {joined(dict.fromkeys(beyond))}")
    for verdict, words in {UNKNOWN: "cannot be told for", NOT_MEASURED: "not measured for"}.items():
        others = [item.row[SHARE] for item in items if item.verdict == verdict]
        if others:
            clauses.append(f"{words} {joined(dict.fromkeys(others))}")
    behind = [item for item in items if item.compared and item.compared.difference.high < 0]
    if behind:
        count = "all" if len(behind) == len(items) else across_words.in_words(len(behind))
        clauses.append(f"{count} behind Feather, by whole intervals below zero")
    number = across_words.in_words(len(items))
    return f"of {number} {phrases.agree(len(items), 'shares', 'share')} {'; '.join(clauses)}"
