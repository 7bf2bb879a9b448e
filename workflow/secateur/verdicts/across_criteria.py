"""Sections on all criteria of each study: the best of each family, every criterion, equal cost, controls."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis.wording import dagger, joined, percent
from secateur.verdicts import across, across_families
from secateur.verdicts.across import (
    AHEAD,
    EQUAL,
    LEVELS,
    MIDDLE,
    RANDOM,
    RELEVANCE,
    WEIGHT,
    WITHOUT,
    Study,
)
from secateur.verdicts.across_words import accuracy, behind, in_words, of_all, points, tally, with_behind

REFERENCES = {"dense": "dense", RANDOM: "`random`", WEIGHT: f"`{WEIGHT}`"}


def of_each(studies: Iterable[Study], table: Callable[[Study], pandas.DataFrame]) -> Iterator[tuple[str, Any]]:
    """A table of each study, under its name."""
    for study in studies:
        yield "text", f"**{study.label}**"
        yield "table", table(study)


# ---- families ------------------------------------------------------------------------------------------------


def families(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The best of each family, chosen on images that are not reported."""
    best = {}
    for study in studies:
        if not study.settings["evaluation"]["choose_on"]:
            return
        best[study.label] = _best(study)
    yield "heading", "The best of each family"
    yield (
        "text",
        "The rule: at each level the criterion of a family with the highest accuracy on the images that choose; "
        "on ties the lower loss there, then the order of the study. Its test accuracy is shown, in percent.",
    )
    yield from of_each(studies, lambda study: _family_table(study, best[study.label]))
    yield "list", [_between_families(study, best[study.label]) for study in studies]


def _best(study):
    """{family: {level: the criterion chosen}}, of families that were measured on the choosing images."""
    known, best = set(across_families.choosable(study)), {}
    for family, criteria in across_families.families_of(study).items():
        measured = [name for name in criteria if name in known]
        if measured:
            best[family] = {level: across_families.chosen(study, measured, level) for level in LEVELS}
    return best


def _family_table(study, best):
    rows = []
    for family, by_level in best.items():
        row = {"family": family}
        for level, name in by_level.items():
            row[percent(level)] = f"{accuracy(study.cell(name, level)['accuracy'])} `{name}`"
        row[f"multiply-adds left at {percent(MIDDLE)}"] = _macs_left(study, by_level[MIDDLE])
        rows.append(row)
    return pandas.DataFrame(rows)


def _macs_left(study, criterion):
    return f"{100 * study.macs(criterion, MIDDLE):.0f} %"


def _between_families(study, best):
    """A sentence: the family that the choosing images put first at each level, and the best on the test images."""
    parts = []
    for level in LEVELS:
        parts.append(_first_of(study, [by_level[level] for by_level in best.values()], level))
    return f"{study.label}: of all families the images that choose put first {joined(parts)}."


def _first_of(study, names, level):
    first = across_families.chosen(study, names, level)
    tested = {name: study.cell(name, level)["accuracy"] for name in names}
    most = max(tested, key=tested.__getitem__)
    text = f"at {percent(level)} `{first}` ({accuracy(tested[first])} % of the test images"
    if tested[first] == tested[most]:
        return f"{text}, the most of these families)"
    return f"{text}; `{most}` has {accuracy(tested[most])} %)"


# ---- every criterion -----------------------------------------------------------------------------------------


def every(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """Every criterion of each study, the highest accuracy first."""
    yield "heading", "Every criterion"
    yield (
        "text",
        f"Test accuracy in percent, highest at {percent(MIDDLE)} first; then, at {percent(MIDDLE)}, the "
        "multiply-adds that are left and the accuracy less that of the dense network, of random units, and of the "
        "mean absolute weight.",
    )
    yield from of_each(studies, _table)
    yield "list", list(itertools.chain.from_iterable(map(_sentences, studies)))


def _by_accuracy(study):
    return sorted(study.criteria, key=lambda name: -study.cell(name, MIDDLE)["accuracy"])


def _table(study):
    return pandas.DataFrame(_row(study, name) for name in _by_accuracy(study))


def _row(study, name):
    row = {"criterion": f"`{name}`"}
    for level in LEVELS:
        cell = study.cell(name, level)
        row[percent(level)] = f"{accuracy(cell['accuracy'])}{dagger(cell['collapsed'])}"
    row["multiply-adds left"] = _macs_left(study, name)
    for reference, words in REFERENCES.items():
        row[f"less {words}"] = points(_difference(study, name, reference))
    return row


def _difference(study, name, reference):
    """The Difference at MIDDLE to a reference, or None where the study lacks it or it is the criterion itself."""
    known = reference == "dense" or across.has(study, reference)
    if reference == name or not known:
        return None
    return across.difference(study, name, reference, MIDDLE)


def _sentences(study):
    """Counts of criteria that are ahead of and behind chance and the mean absolute weight; those behind by name."""
    for reference in (RANDOM, WEIGHT):
        if not across.has(study, reference):
            continue
        others = {}
        for name in study.criteria:
            if name != reference:
                others[name] = _difference(study, name, reference)
        counts = []
        for verdict, count in tally(others.values()).items():
            if count:
                counts.append(f"{in_words(count)} {verdict}")
        where = f"{study.label} at {percent(MIDDLE)}"
        text = f"{where}: of {in_words(len(others))} criteria against `{reference}`, {joined(counts)}"
        yield with_behind(text, behind(others) if reference == RANDOM else "")


# ---- equal cost ----------------------------------------------------------------------------------------------


def at_equal_cost(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """Every criterion where equal shares of the multiply-adds are left."""
    yield "heading", "At equal multiply-adds"
    yield (
        "text",
        "Test accuracy in percent where this share of the dense network's multiply-adds is left: on the straight "
        "line between the two neighbouring levels of each criterion, draws averaged first; a dash where no level "
        f"goes so far. The last column is relevance less the criterion at {percent(EQUAL[1])}, image by image "
        "along the same lines.",
    )
    yield from of_each(studies, _equal_table)
    yield "list", list(itertools.chain.from_iterable(map(_equal_sentences, studies)))


def _equal_table(study):
    column = percent(EQUAL[1])
    table = pandas.DataFrame([_equal_row(study, name) for name in _by_accuracy(study)])
    reached = table[table[column] != "-"].sort_values(column, key=lambda texts: -texts.astype(float), kind="stable")
    return pandas.concat([reached, table[table[column] == "-"]])


def _equal_row(study, name):
    row = {"criterion": f"`{name}`"}
    for share in EQUAL:
        right = across.between(study, name, share)
        row[percent(share)] = accuracy(None if right is None else right.mean())
    if across.has(study, RELEVANCE):
        row[f"`{RELEVANCE}` less it"] = points(_equal_difference(study, name))
    return row


def _equal_difference(study, name):
    if name == RELEVANCE:
        return None
    return across.at_equal_cost(study, RELEVANCE, name, EQUAL[1])


def _equal_sentences(study):
    """Relevance against all others at equal cost, and against the statistics of the weights alone."""
    if not across.has(study, RELEVANCE):
        return
    others = {}
    for name in study.criteria:
        difference = _equal_difference(study, name)
        if difference is not None:
            others[name] = difference
    where = f"{study.label} with {percent(EQUAL[1])} left, `{RELEVANCE}` against"
    if others:
        yield f"{where} the other criteria: {of_all(list(others.values()))}."
    weights = {}
    for name in across_families.statistics_of_weights(study):
        if name in others:
            weights[name] = others[name]
    if weights:
        text = f"{where} the statistics of the weights: {of_all(list(weights.values()))}"
        yield with_behind(text, behind(weights), " ")


# ---- controls ------------------------------------------------------------------------------------------------


def controls(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """Every controlled criterion beside its controls."""
    rows, sentences = [], []
    for study in studies:
        names = _controlled(study)
        if names:
            rows += _control_rows(study, names)
            for name in names:
                sentences.append(_control_sentence(study, name))
    if not rows:
        return
    yield "heading", "Which channels, or how many of each layer"
    yield (
        "text",
        "`shuffled` has random channels at the criterion's shares of the layers, `uniform` the criterion's "
        "channels at equal shares of all layers. Test accuracy in percent; last, the criterion less its control.",
    )
    yield "table", pandas.DataFrame(rows)
    yield "list", sentences


def _controlled(study):
    return [name for name in study.criteria if across.has(study, f"uniform.{name}", f"shuffled.{name}")]


def _control_rows(study, names):
    """Every controlled criterion above its two controls; chance and chance at equal shares of all layers come last."""
    for name in names:
        yield _control_row(study, name, None)
        for control in (f"shuffled.{name}", f"uniform.{name}"):
            yield _control_row(study, control, across.difference(study, name, control, MIDDLE))
    for name in ("uniform.random", RANDOM):
        yield _control_row(study, name, None)


def _control_row(study, name, difference):
    row = {"network": study.label, "criterion": f"`{name}`"}
    for level in LEVELS:
        row[percent(level)] = accuracy(study.cell(name, level)["accuracy"])
    return row | {f"criterion less control at {percent(MIDDLE)}": points(difference)}


def _control_sentence(study, name):
    """Both, one or neither of the two parts of a ranking matters, by whether it is ahead of the control without it.

    A part of which the control has one draw is not told.
    """
    matter, unknown = [], []
    for words, control in (("which channels", f"shuffled.{name}"), ("how many of each layer", f"uniform.{name}")):
        difference = across.difference(study, name, control, MIDDLE)
        if difference.verdict == AHEAD:
            matter.append(f"{words} by {points(difference)}")
        if difference.verdict == WITHOUT:
            unknown.append(f"of {words} {WITHOUT}")
    parts = matter + unknown or ["neither by its interval"]
    return f"{study.label}, `{name}` at {percent(MIDDLE)}, ahead of what lacks it: {joined(parts)}."
