"""The claims on tickets, of the source and of this project, each with the comparisons that decide it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.analysis.wording import percent
from secateur.study import reinitialisations
from secateur.study.reinitialisations import BY_NAME, ORIGINAL, RANDOM
from secateur.verdicts import paired, tickets_study
from secateur.verdicts.paired import Claim, Item
from secateur.verdicts.tickets_study import WEIGHTS, Network, Study

OF_THE_SOURCE = [one.name for one in reinitialisations.ALL if one.of_the_source]
# {kind that keeps signs: that of the same magnitudes, which loses them}.
SIGNS = {"original": "abs", "sign": RANDOM.name, "sign+dist": "dist"}


def named(place: tuple[str, float]) -> str:
    """A ticket in words: 90 % of weights, or 50 % of channels by a criterion."""
    left_out, level = place
    return f"{percent(level)} of weights" if left_out == WEIGHTS else f"{percent(level)} of channels, `{left_out}`"


def shown(place: tuple[str, float], kind: str) -> str:
    """The name of a kind as code: for channels that of the kind of retraining."""
    name = kind if place[0] == WEIGHTS else BY_NAME[kind].kind or kind
    return f"`{name}`"


# ---- items ---------------------------------------------------------------------------------------------------


def _pair(study: Study, first: str, second: str, margin: float = 0.0) -> Iterator[Item]:
    """One kind ahead of another, or not worse by a margin, for every ticket."""
    for place in study.places:
        if {first, second} <= {*study.at(place)}:
            yield _item(study, place, (first, second), margin)


def _item(study: Study, place: tuple[str, float], kinds: tuple[str, str], margin: float) -> Item:
    networks = [Network(*place, kind) for kind in kinds]
    compared = tickets_study.compared(study, *networks)
    row = {
        "study": study.label,
        "level": named(place),
        "compared": " against ".join(shown(place, kind) for kind in kinds),
        "accuracy, %": " and ".join(map(paired.accuracy, (compared.first, compared.second))),
        **dict.fromkeys(("difference, points", "n", paired.COULD_BE_SEEN), "-"),
    }
    at_chance = max(map(study.mean, networks)) <= study.chance + NEAR_CHANCE
    return paired.item(row, compared, margin, at_chance)


def _distribution_best(study: Study) -> Iterator[Item]:
    for other in OF_THE_SOURCE:
        if other != "dist":
            yield from _pair(study, "dist", other)


def _signs(study: Study) -> Iterator[Item]:
    """Values under the first signs ahead of the same values under other signs, in three ways."""
    for first, second in SIGNS.items():
        yield from _pair(study, first, second)


def _not_worse(study: Study, first: str) -> Iterator[Item]:
    return _pair(study, first, ORIGINAL.name, study.margin)


def _alike(study: Study) -> Iterator[Item]:
    """Every kind of channels within the margin of fresh weights: neither worse, nor better."""
    for place in study.places:
        if place[0] == WEIGHTS:
            continue
        for kind in study.at(place):
            if kind != RANDOM.name and BY_NAME[kind].channels:
                for kinds in ((kind, RANDOM.name), (RANDOM.name, kind)):
                    yield _item(study, place, kinds, study.margin)


# ---- the claims ----------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "a",
        "Re-initialisation makes a ticket lose: its first weights are ahead of fresh ones.",
        functools.partial(_pair, first=ORIGINAL.name, second=RANDOM.name),
    ),
    Claim(
        "b",
        "Of sign, distribution and absolute value, the preserved distribution keeps a ticket best: it is ahead of the "
        "other two.",
        _distribution_best,
    ),
    Claim(
        "c",
        "The preserved distribution keeps a ticket: it is not worse than first weights, by the margin.",
        functools.partial(_not_worse, first="dist"),
    ),
    Claim(
        "d",
        "Signs decide: first magnitudes, fresh ones, and first ones at other positions are ahead under first signs of "
        "the same under others.",
        _signs,
    ),
    Claim(
        "e",
        "Signs alone keep a ticket: with fresh magnitudes it is not worse than with first weights, by the margin.",
        functools.partial(_not_worse, first="sign"),
    ),
    Claim(
        "f",
        "The scale of the weights that are left matters: fresh values of that scale are ahead of others.",
        functools.partial(_pair, first="random_scaled", second=RANDOM.name),
    ),
    Claim(
        "g",
        "Beyond its scale, the distribution matters: it is ahead of fresh values of the same scale.",
        functools.partial(_pair, first="dist", second="random_scaled"),
    ),
    Claim(
        "h",
        "It matters which weights of a layer are left: first weights are ahead of as many others of the same layers.",
        functools.partial(_pair, first=ORIGINAL.name, second="mask_shuffled"),
    ),
    Claim(
        "i",
        "It matters which value lies where: first weights are ahead of those of the layer at other positions.",
        functools.partial(_pair, first=ORIGINAL.name, second="layer_permuted"),
    ),
    Claim(
        "j",
        "For channels nothing of first weights matters: every kind is within the margin of fresh weights.",
        _alike,
    ),
)
# Whose each claim is, by its letter.
MADE_BY = {"a": "the source", "b": "the source", "c": "the source"}
