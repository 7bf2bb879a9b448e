"""The claims of the source on learned selection, each with the comparisons of a study that decide it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from secateur.analysis.wording import joined
from secateur.study.kinds import BATCHNORM, CONTINUED, NONE, RETRAINED, SCRATCH, Cell
from secateur.verdicts import selection_exact, selection_judging, selection_widths
from secateur.verdicts.paired import NOT_COMPARED, Claim, Item
from secateur.verdicts.selection_judging import ANY, AT_LEAST, EQUAL, Comparison
from secateur.verdicts.selection_study import DENSE, Entry, Study
from secateur.verdicts.selection_widths import OPPONENTS

# The networks of a learned criterion that stand beside others trained on as many images: {kind: how, in words}.
PROCEDURES = {
    CONTINUED.name: "The whole procedure (gates and weights together, then the weights alone)",
    RETRAINED.name: "The selection alone (the dense network's weights, retrained like all others)",
}
ONE_SHOT = {NONE.name: "as pruned", BATCHNORM.name: "with BatchNorm re-estimated"}
STATIC = "static"
# What two entries may differ in where they are compared for their pruning-models: a predicted logit moves by the rates
# of all weights behind it, so that its optimiser belongs to the pruning-model.
MODELS_ALONE = ("name", "model", "draws", "gate_optimizer", "gate_learning_rate")
# Kinds at which predicted gates stand beside static ones.
COMPARED = (NONE.name, BATCHNORM.name, RETRAINED.name, CONTINUED.name)

# The other side of a comparison with a learned criterion: its network, or None, and its name where there is none.
Other = Callable[[Study, Entry], tuple[Cell | None, str]]


# ---- the two sides of a comparison ---------------------------------------------------------------------------


def _dense(study, entry):
    return DENSE, ""


def _opponent(opponent, kind):
    """Another selection at the widths of an entry, as a kind."""

    def other(study, entry):
        name = f"{opponent}.{entry['name']}"
        return selection_widths.beside(study, entry, kind, opponent), selection_judging.words(name, kind)

    return other


def _fresh(study, entry):
    return selection_widths.fresh(study, entry), selection_judging.words(entry["name"], SCRATCH.name)


def _comparisons(kind: str, other: Other, images: str, study: Study) -> Iterator[Comparison]:
    """Every learned criterion as a kind, against the other side."""
    for entry in selection_widths.that_can_be(study, kind):
        first, (second, words) = selection_widths.measured(study, entry, kind), other(study, entry)
        own_words = selection_judging.words(entry["name"], kind)
        yield selection_judging.versus(first, second, (own_words, words), images)


def _not_worse(kind, other, images):
    """The items of a claim: networks of learned criteria as a kind are not worse than the other side."""
    comparisons = functools.partial(_comparisons, kind, other, images)
    return lambda study: selection_judging.items(study, comparisons(study), study.margin)


def _ahead(kind, other):
    """The items of a claim: networks of learned criteria as a kind are ahead of the other side."""
    comparisons = functools.partial(_comparisons, kind, other, EQUAL)
    return lambda study: selection_judging.items(study, comparisons(study), 0.0)


# ---- predicted and static gates ------------------------------------------------------------------------------


def predicting(study: Study) -> Iterator[Item]:
    """Predicted gates ahead of static ones of the same widths; those that differ in more are named, not compared."""
    for entry in study.entries:
        static = _static(study, entry)
        alike = [other for other in static if not differences(entry, other)]
        for other in alike:
            yield from selection_judging.items(study, _of_pair(study, entry, other), 0.0)
        if not alike:
            for other in static:
                yield _unlike(study, entry, other)


def _static(study, entry):
    """The static gates with the widths of an entry that predicts."""
    if entry["model"] == STATIC:
        return []
    (group,) = [group for group in selection_widths.groups(study) if entry in group]
    return [other for other in group if other["model"] == STATIC]


def differences(entry: Entry, other: Entry) -> list[str]:
    """The settings in which two learned criteria differ, beside their pruning-models."""
    return [key for key in entry if key not in MODELS_ALONE and entry[key] != other[key]]


def _of_pair(study, entry, other):
    for kind in COMPARED:
        first, second = (selection_widths.measured(study, one, kind) for one in (entry, other))
        if first or second:
            own, others = (selection_judging.words(one["name"], kind) for one in (entry, other))
            yield selection_judging.versus(first, second, (own, others), EQUAL)


def _unlike(study, entry, other):
    settings = joined(f"`{key}`" for key in differences(entry, other))
    pair = f"`{entry['name']}` against `{other['name']}`, which differ in {settings} too"
    return Item(selection_judging.row(study, pair), NOT_COMPARED)


# ---- the claims ----------------------------------------------------------------------------------------------


def _of_selection() -> Iterator[Claim]:
    """Learned selection against every other, by the whole procedure and alone."""
    for kind, procedure in PROCEDURES.items():
        for opponent, words in OPPONENTS.items():
            sentence = f"{procedure} is not worse than {words} at the same widths, trained on as many images."
            yield Claim("b", sentence, _not_worse(kind, _opponent(opponent, RETRAINED.name), EQUAL))
        sentence = (
            f"{procedure} is not worse than fresh weights at the same widths, trained on at least as many images."
        )
        yield Claim("b", sentence, _not_worse(kind, _fresh, AT_LEAST))


def _one_shot() -> Iterator[Claim]:
    for kind, words in ONE_SHOT.items():
        sentence = f"Without retraining, {words}, gates are ahead of `l1` at the same widths."
        yield Claim("f", sentence, _ahead(kind, _opponent("l1", kind)))


# Letters of the claims that the abstract of the source makes; the others are questions of this project.
OF_THE_SOURCE = ("a", "c", "d")
CLAIMS = (
    Claim(
        "a",
        "The pruned network is not worse than the dense one, after the whole procedure (gates and weights together, "
        "then the weights alone).",
        _not_worse(CONTINUED.name, _dense, ANY),
    ),
    *_of_selection(),
    Claim(
        "c",
        "With no loss but the task's the budget is met: as many gates close as the widths ask for, and as many units "
        "leave.",
        selection_exact.budgets,
    ),
    Claim(
        "d",
        "A deeper or wider pruning-model costs the pruned network nothing: parameters and multiply-adds are equal.",
        selection_exact.costs,
    ),
    Claim(
        "e",
        "Predicting helps: predicted gates are ahead of static ones that differ in the pruning-model, its optimizer "
        "and its rate alone.",
        predicting,
    ),
    *_one_shot(),
)
