"""The claims of the source on the Scoring Net, each with the comparisons of a study that decide it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator

from secateur.analysis.wording import joined
from secateur.study import learned
from secateur.study.kinds import ADAM, BATCHNORM, INITIAL, NONE, RECONSTRUCTED, RETRAINED, SCRATCH, STAGES, Cell
from secateur.verdicts import scoring_costs, selection_judging
from secateur.verdicts.paired import Claim, Finding, Item
from secateur.verdicts.scoring_study import Entry, Study, alike, alike_but_fitted, plain, scored
from secateur.verdicts.selection_judging import EQUAL

# Networks after pruning that a selection is judged by, in words.
TREATED = {
    NONE.name: "as pruned",
    BATCHNORM.name: "with BatchNorm re-estimated",
    RECONSTRUCTED.name: "reconstructed in closed form",
    RETRAINED.name: "retrained",
    INITIAL.name: "trained from first weights",
    SCRATCH.name: "trained from fresh weights",
}
RANDOM = "random"
# Scores that stand at the widths of an entry without being asked for.
BESIDE = ("l1", "taylor_activation")
# Two criteria and the level at which they are compared.
Pair = tuple[str, str, float]


def _judged(study: Study, pairs: Iterable[tuple[Cell, Cell]], margin: float) -> Iterator[Item]:
    """The items of pairs of networks; those that were not measured are left out."""
    measured = (pair for pair in pairs if study.has(*pair))
    # Both are measured, so that they are named as they are.
    comparisons = (selection_judging.versus(first, second, ("", ""), EQUAL) for first, second in measured)
    return selection_judging.items(study, comparisons, margin)


def _against(study: Study, pairs: Callable[..., Iterable[Pair]], kind: str, ahead: bool) -> Iterator[Item]:
    """The items of the pairs of a study as a kind of network: the first `ahead`, or not worse by the margin."""
    found = pairs(study, kind)
    cells = ((Cell(first, level, kind), Cell(second, level, kind)) for first, second, level in found)
    return _judged(study, cells, 0.0 if ahead else study.margin)


# ---- the other sides -----------------------------------------------------------------------------------------


def _scorers(study: Study, kind: str, fits: Callable[[Entry], bool] = plain) -> Iterator[Entry]:
    """The scorers of some fits, of which a kind of network is to be judged.

    Orders of first weights are judged by networks that are trained from first weights or fresh ones: on a trained
    network they were not made.
    """
    for entry in filter(fits, study.scorers):
        if entry["at"] == "trained" or kind in (INITIAL.name, SCRATCH.name):
            yield entry


def _hand_made(study: Study, kind: str) -> Iterator[Pair]:
    """Plain fits not worse than scores of channels: those at their widths, or those of the study at their level."""

    for entry in _scorers(study, kind):
        level, name = study.level(entry), entry["name"]
        beside = [f"{score}.{name}" for score in BESIDE] if entry["widths"] else scored(study, level, entry["at"])
        for other in beside:
            yield name, _somewhere(study, entry, other, kind), level


def _somewhere(study, entry, name, kind):
    """The name of what stands beside an entry, or of the same beside another one with its widths that was measured.

    At given widths its order does not depend on the entry beside it.
    """
    level, prefix = study.level(entry), name.removesuffix(entry["name"])
    if study.has(Cell(name, level, kind)) or not entry["widths"]:
        return name
    for twin in study.scorers:
        other = f"{prefix}{twin['name']}"
        if twin["widths"] == entry["widths"] and study.has(Cell(other, level, kind)):
            return other
    return name


def _chance(study: Study, kind: str, fits: Callable[[Entry], bool] = plain) -> Iterator[Pair]:
    """Some fits not worse than random channels within layers, at their own widths."""

    for entry in _scorers(study, kind, fits):
        level = study.level(entry)
        yield entry["name"], _somewhere(study, entry, f"shuffled.{entry['name']}", kind), level


def _gates(study: Study, kind: str) -> Iterator[Pair]:
    """Plain fits not worse than static gates of the same widths."""

    for entry in filter(plain, study.scorers):
        for other in study.entries:
            if other["model"] == "static" and other["widths"] == entry["widths"]:
                yield entry["name"], other["name"], study.level(entry)


def _elsewhere(entry: Entry) -> bool:
    """True for a scorer that was fitted elsewhere."""
    return entry["file"] is not None


def _as_drawn(entry: Entry) -> bool:
    """True for a scorer that was not fitted."""
    return learned.fitted(entry) and entry["fit"] == "none"


def _searched(entry: Entry) -> bool:
    """True for a scorer that an evolutionary search fitted here."""
    return learned.fitted(entry) and entry["fit"] == "evolution"


def _drawn(study: Study, kind: str, fits: Callable[[Entry], bool] = plain) -> Iterator[Pair]:
    """Some fits ahead of the scorer as drawn."""

    for entry in _scorers(study, kind, fits):
        for other in _untrained(study, entry):
            yield entry["name"], other["name"], study.level(entry)


def _untrained(study: Study, entry: Entry) -> list[Entry]:
    return [other for other in filter(_as_drawn, study.scorers) if alike_but_fitted(other, entry)]


def _moved(study: Study, kind: str) -> Iterator[Pair]:
    """Scorers from elsewhere not worse than the one that was fitted here."""

    for entry in filter(_elsewhere, study.scorers):
        for other in _fitted_here(study, entry):
            yield entry["name"], other["name"], study.level(entry)


def _fitted_here(study: Study, entry: Entry) -> list[Entry]:
    return [other for other in filter(plain, study.scorers) if alike_but_fitted(other, entry)]


def _chance_beside(study: Study, kind: str) -> Iterator[Pair]:
    """Random channels by the rule of the claim on transfer: where it holds of them, it tells little."""
    own = {}
    for entry in filter(_elsewhere, study.scorers):
        for other in _fitted_here(study, entry):
            own[other["name"]] = study.level(other)
    for name, level in own.items():
        for chance in (f"shuffled.{name}", RANDOM):
            yield chance, name, level


def _of_chance(finding: Finding, kind: str) -> str:
    """The verdicts on random channels, to stand behind that on scorers from elsewhere."""
    told = []
    for item in _against(finding.study, _chance_beside, kind, ahead=False):
        told.append(f"{item.row['compared']} {item.words}")
    return f". By the same rule chance: {joined(told)}" if told else ""


def _unlike(study: Study, kind: str, key: str) -> Iterator[Pair]:
    """Fits of another stage ahead of the plain one; of the other settings, the plain one ahead of those without."""

    for entry in filter(plain, study.scorers):
        for other in study.scorers:
            if other is entry or not learned.fitted(other) or not _differs(entry, other, key):
                continue
            if key == "stage":
                yield other["name"], entry["name"], study.level(entry)
            elif key == "gates" or entry["gradients"]:
                yield entry["name"], other["name"], study.level(entry)


# Keys in which two fits may differ where they are compared for one of them.
APART = {
    "gradients": ("gradients",),
    "gates": ("gate_gradient",),
    "stage": ("loss", "label_smoothing", "gate_optimizer", "gate_learning_rate"),
}


def _differs(entry, other, key):
    keys = APART[key]
    return alike(entry, other, *keys) and any(entry[name] != other[name] for name in keys)


def _stages(study: Study) -> Iterator[Item]:
    """Every other loss or optimiser of retraining ahead of the plain one, of every scorer."""
    return _after(study, [entry["name"] for entry in study.scorers])


def _stages_of_others(study: Study) -> Iterator[Item]:
    names = {cell.criterion for cell in study.cells} - {entry["name"] for entry in study.scorers}
    return _after(study, sorted(names))


def _after(study, names):
    stages = [kind.name for kind in STAGES]
    cells = [cell for cell in study.cells if cell.criterion in names and cell.kind in stages]
    return _judged(study, [(cell, cell._replace(kind=RETRAINED.name)) for cell in cells], 0.0)


def _first_weights(study: Study, of_chance: bool) -> Iterator[Item]:
    """The dense network's first weights ahead of fresh ones, at the widths of every score, or at those of chance."""
    initial = [cell for cell in study.cells if cell.kind == INITIAL.name]
    cells = [cell for cell in initial if (cell.criterion == RANDOM) == of_chance]
    return _judged(study, [(cell, cell._replace(kind=SCRATCH.name)) for cell in cells], 0.0)


def _over_chance(study: Study, kind: str, fits: Callable[[Entry], bool] = plain) -> Iterator[Pair]:
    """Scorers over all layers ahead of random channels of all layers."""

    for entry in _scorers(study, kind, fits):
        if entry["widths"] is None:
            yield entry["name"], RANDOM, study.level(entry)


def _by_hand_over_chance(study: Study, kind: str) -> Iterator[Pair]:
    """Scores made by hand that stand beside scorers over all layers ahead of random channels of all layers."""

    named = {}
    for entry in _scorers(study, kind, bool):
        if entry["widths"] is None:
            level = study.level(entry)
            named |= dict.fromkeys(scored(study, level, entry["at"]), level)
    for name, level in named.items():
        yield name, RANDOM, level


# ---- the claims ----------------------------------------------------------------------------------------------


SHORT = (NONE.name, BATCHNORM.name)
LEARNED = (*SHORT, RETRAINED.name)
MOVED = (*SHORT, RECONSTRUCTED.name, RETRAINED.name)


def _each(
    letter: str,
    words: str,
    pairs: Callable[..., Iterable[Pair]],
    kinds: Iterable[str] = tuple(TREATED),
    ahead: bool = False,
    ending: Callable[..., str] | None = None,
) -> Iterator[Claim]:
    """A claim for each kind of network: that the first of each pair is not worse than the second, or `ahead`."""
    for kind in kinds:
        yield Claim(
            letter,
            f"{words}, {TREATED[kind]}.",
            functools.partial(_against, pairs=pairs, kind=kind, ahead=ahead),
            ending and functools.partial(ending, kind=kind),
        )


def _claims() -> Iterator[Claim]:
    yield from _each("a", "A scorer that gradients fitted is not worse than scores made by hand", _hand_made)
    yield from _each(
        "b", "A scorer that gradients fitted is not worse than random channels within layers at its widths", _chance
    )
    yield from _each(
        "c", "A scorer that gradients fitted is not worse than static gates at the same widths", _gates, LEARNED
    )
    yield from _each(
        "d", "Fitting by gradients helps: a scorer that they fitted is ahead of one that was not", _drawn, ahead=True
    )
    yield Claim(
        "e",
        "A fit by gradients reaches the least loss of an evolutionary search in fewer passes than that took, and the "
        "search does not reach that of the fit in as few.",
        scoring_costs.cheaper,
    )
    yield from _each(
        "f",
        "A scorer that was fitted on another network, on other images or for another task is not worse than one that "
        "was fitted here",
        _moved,
        MOVED,
        ending=_of_chance,
    )
    yield from _each(
        "g",
        "Gradients among the descriptors help: with them a scorer is ahead",
        functools.partial(_unlike, key="gradients"),
        SHORT,
        ahead=True,
    )
    yield from _each(
        "h",
        f"Another loss or optimiser in fitting helps: the scorer is ahead of the one by the cross-entropy and "
        f"{ADAM.column}",
        functools.partial(_unlike, key="stage"),
        SHORT,
        ahead=True,
    )
    yield Claim(
        "i",
        "Another loss or optimiser in retraining helps: a network that a scorer pruned is ahead of the same one "
        "retrained by the cross-entropy and SGD.",
        _stages,
    )
    yield Claim(
        "j",
        "Another loss or optimiser in retraining is faster: fewer epochs until 99 % of the end of retraining by the "
        "cross-entropy and SGD.",
        scoring_costs.faster,
    )
    yield Claim("k", "The same losses and optimisers help networks that other selections pruned.", _stages_of_others)
    yield Claim(
        "l",
        "After pruning at initialisation by a score, first weights are ahead of fresh ones.",
        functools.partial(_first_weights, of_chance=False),
    )
    yield from _each(
        "m",
        "A search helps: a scorer that evolution fitted is ahead of one that was not fitted",
        functools.partial(_drawn, fits=_searched),
        LEARNED,
        ahead=True,
    )
    yield Claim(
        "n",
        "After pruning at initialisation by chance, first weights are ahead of fresh ones.",
        functools.partial(_first_weights, of_chance=True),
    )
    yield from _each(
        "o", "A fitted scorer over all layers chooses better than chance over all layers", _over_chance, ahead=True
    )
    yield from _each(
        "p",
        "Soft gates that harden help: a scorer that they fitted is ahead of one by straight-through gradients of hard "
        "gates",
        functools.partial(_unlike, key="gates"),
        SHORT,
        ahead=True,
    )
    yield from _each(
        "q",
        "A scorer that was fitted elsewhere is ahead of one that was not fitted",
        functools.partial(_drawn, fits=_elsewhere),
        MOVED,
        ahead=True,
    )
    yield from _each(
        "r",
        "A scorer that was fitted elsewhere is not worse than random channels within layers at its widths",
        functools.partial(_chance, fits=_elsewhere),
        MOVED,
    )
    yield from _each(
        "s",
        "A scorer that was fitted elsewhere chooses better than chance over all layers",
        functools.partial(_over_chance, fits=_elsewhere),
        MOVED,
        ahead=True,
    )
    yield from _each(
        "t",
        "A scorer that was not fitted chooses better than chance over all layers",
        functools.partial(_over_chance, fits=_as_drawn),
        ahead=True,
    )
    yield from _each(
        "u", "Scores made by hand choose better than chance over all layers", _by_hand_over_chance, ahead=True
    )


CLAIMS = tuple(_claims())
# Letters of the claims that the abstract of the source makes; the others are questions of this project.
OF_THE_SOURCE = ("a", "e", "f", "h", "i", "j")
