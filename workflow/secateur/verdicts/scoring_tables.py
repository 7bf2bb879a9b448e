"""The tables of the page on scorers: accuracies of every selection, and fits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis.wording import dagger, percent
from secateur.study import learned
from secateur.study.kinds import KINDS, Cell
from secateur.verdicts import finished, paired, scoring_costs
from secateur.verdicts.scoring_study import Study
from secateur.verdicts.selection_study import DENSE

RANDOM = "random"
GATES = {
    "annealed": "soft at first, hard in the end",
    "sigmoid": "hard, straight-through by the sigmoid's derivative",
    "identity": "hard, straight-through",
}
# What gates without a scorer would be as one: the keys that theirs do not have.
AS_A_SCORER = {
    "kind": learned.SCORER,
    "fit": "gradient",
    "file": None,
    "at": "trained",
    "gradients": False,
    "gate_gradient": "identity",
    "loss": "cross_entropy",
    "label_smoothing": 0,
}


def choices(studies: Sequence[Study]) -> pandas.DataFrame:
    """The table of what studies differ in: a row for each property, a column for each study."""
    return finished.side_by_side(map(_choices, studies))


def _choices(study):
    settings = study.settings
    evaluation, classes = settings["evaluation"], settings["data"].get("classes")
    counted = {"units": "units", "parameters": "parameters", "macs": "multiply-adds"}[evaluation["budget"]]
    facts = {
        "": study.label,
        "a level is a share of": f"the {counted} that can be removed" if counted == "units" else f"all {counted}",
    }
    facts["left of every layer"] = percent(evaluation["keep_at_least"][0]) + " at least"
    by_hand = {entry["name"]: _of_score(entry) for entry in settings["criteria"]["scores"]}
    by_hand |= {
        f"weight.{name}": f"{name} of a filter's trained weights" for name in settings["criteria"]["statistics"]
    }
    facts["scores made by hand"] = "; ".join(f"`{name}`: {words}" for name, words in by_hand.items())
    facts["classes"] = ", ".join(map(str, classes)) if classes else "all"
    return facts


def _of_score(entry):
    """A score of `criteria.scores`, in words."""
    words = f"{entry['score']} of the {'first' if entry.get('at') == 'initial' else 'trained'} weights"
    if entry.get("normalise") not in (None, "none"):
        words += f", normalised by `{entry['normalise']}`"
    return f"{words}, per {entry['per']}" if entry.get("per") else words


def section(study: Study) -> Iterator[tuple[str, Any]]:
    """The blocks of a study: accuracies at every level at which a scorer was fitted, and the fits."""
    yield "heading", study.label
    for level in dict.fromkeys(map(study.level, study.scorers)):
        yield (
            "text",
            f"At level {percent(level)}. Test accuracy in percent, the mean over {_networks(study)}; the cost is that "
            "of the networks as pruned, the mean over all draws. † a network or more has an empty layer."
            f"{_at_first(study)}",
        )
        yield "table", accuracies(study, level)
    table = fits(study)
    if not table.empty:
        yield "text", _of_fits(study)
        yield "table", table


def _at_first(study):
    """A sentence on what orders of first weights prune, where there are some."""
    if not any(entry["at"] == "initial" for entry in study.scorers):
        return ""
    return " Orders made on first weights are tried on the trained network too: that is what *pruned* shows."


def _of_fits(study):
    """The columns of the table of fits, and how many fits end above the loss of a guess."""
    guess = -math.log(study.chance)
    after = [entry["name"] for entry in study.scorers if entry["at"] != "initial"]
    first = [entry["name"] for entry in study.scorers if entry["at"] == "initial" and _of_the_task(entry)]
    losses, trained = _ends(study, after, "validation_loss"), _ends(study, first, "train_loss")
    return (
        "Fits, the mean over trainings and draws. A training loss is the mean over augmented images of the loss of "
        "the fit, so that label smoothing adds to it, and with the gates of the fit, which are soft at first unless "
        "the table of scorers says otherwise; others than fits by gradients and the cross-entropy have none like "
        "it. Joint weights are trained with the scorer, and discarded: its losses are not of the pruned network. "
        "With the statistics of batches the loss of validation is of another network than that of the fit: its "
        "BatchNorm has the dense network's statistics. *Still falls by* is the largest of the trainings, of first "
        "draws: to the end of the same fit over more epochs, where there is one (negative where that ended higher), "
        "and else the fall of the least loss so far over the last fifth of the epochs that are judged, at least "
        "one; a rate falls to zero there, so that 0 does not say that more epochs would not "
        f"help.{_above_a_guess(losses, trained, guess)} At first weights validation, by BatchNorm's first "
        "statistics, says nothing. CPU seconds are of the processor, and no measure of a fit on a GPU."
    )


def _ends(study, names, column):
    """A loss of every fit of some entries at its last epoch."""
    rows = study.fits[study.fits["entry"].isin(names)].sort_values("epoch")
    return rows.groupby(["seed", "draw"])[column].last()


def _above_a_guess(losses, trained, guess):
    """A sentence on fits that end above the loss of a guess: in validation, and those on first weights in training."""
    told = []
    for ends, where in (
        (losses, "trained weights end above it in validation"),
        (trained, "first weights end above it in training"),
    ):
        if len(ends):
            told.append(f"{int((ends > guess).sum())} of {len(ends)} fits on {where}")
    return f" A guess has a loss of {guess:.3f}: {', '.join(told)}." if told else ""


def _networks(study):
    count = len(study.seeds)
    return "the draws on one network" if count == 1 else f"{count} trainings, the draws of each averaged first"


def accuracies(study: Study, level: float) -> pandas.DataFrame:
    """A row for the dense network and for every criterion at a level, a column for each kind of network."""
    kinds = study.kinds_at(level)
    rows = [_row(study, "dense network", [Cell(DENSE.criterion, DENSE.level, kind) for kind in kinds], kinds)]
    for name in dict.fromkeys(cell.criterion for cell in study.cells if cell.level == level):
        rows.append(_row(study, f"`{name}`", [Cell(name, level, kind) for kind in kinds], kinds))
    return pandas.DataFrame(rows).fillna("-")


def _row(study, words, cells, kinds):
    row = {"selection": words}
    measured = [cell for cell in cells if cell in study.cells]
    row["draws"] = _draws(study, measured)
    for kind, cell in zip(kinds, cells, strict=True):
        row[KINDS[kind].column] = "-"
        if cell in study.cells:
            emptied = bool(study.cells[cell]["empty"].notna().any())
            row[KINDS[kind].column] = f"{paired.accuracy(study.mean(cell, 'accuracy'))}{dagger(emptied)}"
    for column, name in (("parameters", "parameters left"), ("macs", "multiply-adds left")):
        row[name] = f"{study.mean(measured[0], column):,.0f}" if measured else "-"
    return row


def _draws(study, measured):
    """The count of draws behind a row, and of kinds that have others."""
    counts = {cell.kind: study.cells[cell]["draw"].nunique() for cell in measured}
    if not counts:
        return "-"
    first = next(iter(counts.values()))
    others = [f"{KINDS[kind].column} {count}" for kind, count in counts.items() if count != first]
    return f"{first} ({', '.join(others)})" if others else str(first)


def fits(study: Study) -> pandas.DataFrame:
    """A row for each scorer that is fitted here: losses at the end, passes and CPU seconds."""
    rows = []
    for entry in study.scorers:
        own = study.fits[study.fits["entry"] == entry["name"]]
        if own.empty:
            continue
        at_first = entry["at"] == "initial"
        ends = own.sort_values("epoch").groupby(["seed", "draw"]).last()
        rows.append(
            {
                "scorer": f"`{entry['name']}`",
                "epochs": str(entry["epochs"]),
                "training loss, nats": f"{ends['train_loss'].mean():.3f}" if _of_the_task(entry) else "-",
                "validation loss, nats": "-" if at_first else f"{ends['validation_loss'].mean():.3f}",
                "passes of one image": f"{ends['forwards'].mean():,.0f}",
                "CPU seconds": f"{ends['seconds'].mean():,.0f}",
                "still falls by, nats": "-" if at_first else f"{scoring_costs.improved(study, entry):+.3f}",
            }
        )
    return pandas.DataFrame(rows)


def _of_the_task(entry):
    return plain_fit(entry) and entry["loss"] == "cross_entropy"


def entries(studies: Sequence[Study]) -> pandas.DataFrame:
    """The table of scorers, and of gates beside them: a row for each entry of each study."""
    return pandas.DataFrame([row for study in studies for row in _learned(study)])


def _learned(study):
    for entry in study.settings["criteria"]["learned"]:
        yield _entry(study, entry) if learned.scores_units(entry) else _gates(study, entry)


def _entry(study, entry):
    origin = {"gradient": "by gradients", "evolution": "by a search", "none": "as it was drawn"}[entry["fit"]]
    loss = entry["loss"].replace("_", " ")
    if entry["label_smoothing"]:
        loss += f", label smoothing {entry['label_smoothing']:g}"
    own = learned.fitted(entry) and entry["fit"] != "none"
    return {
        "study": study.label,
        "scorer": f"`{entry['name']}`",
        "fitted": origin if entry["file"] is None else f"elsewhere: `{entry['file']}`",
        "on": f"the {'first' if entry['at'] == 'initial' else 'trained'} weights",
        "asked for": _asked(entry),
        "descriptors": "of weights and gradients" if entry["gradients"] else "of weights",
        "weights": entry["weights"] if own else "-",
        "BatchNorm statistics": entry["statistics"] if own else "-",
        "gates": GATES[entry["gate_gradient"]] if plain_fit(entry) else "-",
        "loss": loss if own else "-",
        "by": f"{entry['gate_optimizer']}, rate {entry['gate_learning_rate']:g}" if plain_fit(entry) else "-",
        "epochs": str(entry["epochs"]) if own else "-",
        "draws": str(entry["draws"]),
    }


def _gates(study, entry):
    """The row of gates without a scorer, each with a logit that the pruning-model predicts."""
    own = {"scorer": f"`{entry['name']}`: none, gates by `{entry['model']}`", "descriptors": "-"}
    return _entry(study, entry | AS_A_SCORER) | own


def plain_fit(entry: Any) -> bool:
    """True for a fit by gradients, which has an optimiser and a rate."""
    return learned.fitted(entry) and entry["fit"] == "gradient"


def _asked(entry):
    if entry["widths"] is not None:
        return ", ".join(f"{kept} of {layer}" for layer, kept in entry["widths"].items())
    return "-" if entry["level"] is None else f"level {entry['level']:g} over all layers"
