"""The claims on tickets, of the source and of this project, each with the comparisons that decide it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from secateur.analysis.paired_tests import NEAR_CHANCE
from secateur.analysis.wording import joined, percent
from secateur.study import reinitialisations
from secateur.study.reinitialisations import BY_NAME, ORIGINAL, RANDOM
from secateur.verdicts import paired, tickets_study
from secateur.verdicts.paired import Claim, Item
from secateur.verdicts.tickets_study import WEIGHTS, Network, Study

OF_THE_SOURCE = [one.name for one in reinitialisations.ALL if one.of_the_source]
# The two forms of a preserved distribution: the very values in another order, or normal ones of its two moments.
VALUES, MOMENTS = "dist", "dist_normal"
# The column of `unequal`, and what it says of two kinds that differ in nothing else.
SCALES, EQUAL = "scale and biases", "equal"
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


def _item(
    study: Study, place: tuple[str, float], kinds: tuple[str, str], margin: float, two_sided: bool = False
) -> Item:
    networks = [Network(*place, kind) for kind in kinds]
    compared = tickets_study.compared(study, *networks)
    row = {
        "study": study.label,
        "level": named(place),
        "compared": " against ".join(shown(place, kind) for kind in kinds),
        SCALES: unequal(place, kinds),
        "accuracy, %": " and ".join(map(paired.accuracy, (compared.first, compared.second))),
        **dict.fromkeys(("difference, points", "n", paired.COULD_BE_SEEN), "-"),
    }
    at_chance = max(map(study.mean, networks)) <= study.chance + NEAR_CHANCE
    return paired.item(row, compared, margin, at_chance, two_sided)


def unequal(place: tuple[str, float], kinds: tuple[str, str]) -> str:
    """The parts of two kinds that differ whatever the kinds keep, in words: the scale of weights, and biases."""
    one, other = (BY_NAME[kind] for kind in kinds)
    # Only the kind `scratch` has biases of its own.
    fresh_biases = place[0] != WEIGHTS and RANDOM in (one, other)
    if fresh_biases:
        return "biases differ" if one.scale == other.scale else "scale and biases differ"
    return EQUAL if one.scale == other.scale else "scale differs"


def _distribution_best(study: Study, distribution: str) -> Iterator[Item]:
    """One form of the preserved distribution ahead of the other two kinds of the source."""
    for other in OF_THE_SOURCE:
        if other != VALUES:
            yield from _pair(study, distribution, other)


def _signs(study: Study) -> Iterator[Item]:
    """Values under the first signs ahead of the same values under other signs, in three ways."""
    for first, second in SIGNS.items():
        yield from _pair(study, first, second)


def _not_worse(study: Study, first: str) -> Iterator[Item]:
    return _pair(study, first, ORIGINAL.name, study.margin)


def _alike(study: Study) -> Iterator[Item]:
    """Every kind of channels within the margin of fresh weights, to either side."""
    for place in study.places:
        if place[0] == WEIGHTS:
            continue
        for kind in study.at(place):
            if kind != RANDOM.name and BY_NAME[kind].channels:
                yield _item(study, place, (kind, RANDOM.name), study.margin, two_sided=True)


# ---- the claims ----------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "a",
        "Re-initialisation makes a ticket lose: its first weights are ahead of fresh ones. (Scales differ, and for "
        "channels biases too; (k) asks the same at equal scale and equal biases.)",
        functools.partial(_pair, first=ORIGINAL.name, second=RANDOM.name),
    ),
    Claim(
        "b",
        "Of sign, distribution and absolute value, the preserved distribution keeps a ticket best: it is ahead of the "
        "other two. (*Distribution* is read as the values of the weights left in each layer, in another order: `dist`. "
        "(l) reads it as their mean and standard deviation. The scale of `sign` differs.)",
        functools.partial(_distribution_best, distribution=VALUES),
    ),
    Claim(
        "c",
        "The preserved distribution keeps a ticket: `dist` is not worse than first weights, by the margin.",
        functools.partial(_not_worse, first=VALUES),
    ),
    Claim(
        "d",
        "Signs decide: first magnitudes, fresh ones, and first ones at other positions are ahead under first signs of "
        "the same under others.",
        _signs,
    ),
    Claim(
        "e",
        "Signs alone keep a ticket: with fresh magnitudes it is not worse than with first weights, by the margin. "
        "(Scales differ.)",
        functools.partial(_not_worse, first="sign"),
    ),
    Claim(
        "f",
        "The scale of the weights that are left helps: fresh values of that scale are ahead of others. (For channels "
        "biases differ too.)",
        functools.partial(_pair, first="random_scaled", second=RANDOM.name),
    ),
    Claim(
        "g",
        "Beyond its scale, the distribution helps: `dist` is ahead of fresh values of the same scale.",
        functools.partial(_pair, first=VALUES, second="random_scaled"),
    ),
    Claim(
        "h",
        "It matters which weights of a layer are left: first weights are ahead of as many others of the same layers. "
        "(Scales differ.)",
        functools.partial(_pair, first=ORIGINAL.name, second="mask_shuffled"),
    ),
    Claim(
        "i",
        "It matters which value lies where: first weights are ahead of those of the layer at other positions. "
        "(Scales differ.)",
        functools.partial(_pair, first=ORIGINAL.name, second="layer_permuted"),
    ),
    Claim(
        "j",
        "For channels nothing of first weights matters: every kind is within the margin of fresh weights, to either "
        "side. (Biases differ in all of these, and scales in all but `sign`.)",
        _alike,
    ),
    Claim(
        "k",
        "Re-initialisation makes a ticket lose at equal scale: its first weights are ahead of fresh ones that have "
        "their standard deviation in each layer, and the same biases.",
        functools.partial(_pair, first=ORIGINAL.name, second="random_scaled"),
    ),
    Claim(
        "l",
        "The preserved distribution keeps a ticket best where only its mean and its standard deviation are meant: "
        "`dist_normal` is ahead of the other two kinds of (b).",
        functools.partial(_distribution_best, distribution=MOMENTS),
    ),
    Claim(
        "m",
        "Under first signs, first magnitudes help: those of the weights left in each layer, at other positions, are "
        "ahead of fresh ones. (Scales differ.)",
        functools.partial(_pair, first="sign+dist", second="sign"),
    ),
    Claim(
        "n",
        "Signs and the magnitudes of each layer keep a ticket: with these at other positions it is not worse than with "
        "first weights, by the margin.",
        functools.partial(_not_worse, first="sign+dist"),
    ),
)
# Whose each claim is, by its letter.
MADE_BY = {
    "a": "the source, which says *may*",
    "b": "the source",
    "c": "a reading of the source",
    "l": "a reading of the source",
}
# {letter of a claim: the studies of which the results were known when it was made}: there it is no test.
MADE_AFTER = dict.fromkeys("klmn", ("vgg_small-cifar10-tickets",))


def is_test(claim: Claim, study: Study) -> bool:
    """False for a claim that was made after the results of a study were known."""
    return study.settings["study"] not in MADE_AFTER.get(claim.key, ())


def made_by() -> dict[str, str]:
    """Whose each claim is, by its letter, and after which results it was made."""
    whose = {claim.key: MADE_BY.get(claim.key, reinitialisations.THIS_PROJECT) for claim in CLAIMS}
    for key, known in MADE_AFTER.items():
        whose[key] += f", after the results of {joined(f'`{name}`' for name in known)} were known"
    return whose
