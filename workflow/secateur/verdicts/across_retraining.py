"""The section on retraining in finished studies."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis.wording import dagger, joined, percent
from secateur.study.kinds import KINDS
from secateur.verdicts.across import RANDOM, Difference, Study
from secateur.verdicts.across_words import accuracy, behind, of_all, points, span, with_behind

SCHEDULE = ("epochs", "optimizer", "learning_rate", "schedule", "batch_size", "precision")
REFERENCES = {"none": "pruned", "random": "`random`", "dense": "dense"}


def retraining(studies: Sequence[Study]) -> Iterator[tuple[str, Any]]:
    """The pruned networks as they are, with re-estimated BatchNorm, and retrained; nothing without any."""
    retrained = [study for study in studies if study.retrained is not None]
    if not retrained:
        return
    yield "heading", "After retraining"
    yield (
        "text",
        "Test accuracy in percent of the same pruned networks: as they are, with BatchNorm re-estimated, "
        "and retrained. Then the multiply-adds that are left, and the retrained network less the "
        "pruned one, less random units retrained alike, and less the dense network.",
    )
    lines = []
    for study in retrained:
        yield "text", f"**{study.label}**: {_schedule(study.settings['retraining'])}."
        yield "table", _table(study)
        lines += sentences(study)
    yield "list", lines


def _schedule(options):
    return ", ".join(f"{key.replace('_', ' ')} `{options[key]}`" for key in SCHEDULE)


def _table(study):
    rows = []
    for level, by_kind in _levels(study):
        order = by_kind["retrained"].sort_values("accuracy", ascending=False, kind="stable").index
        for name in order:
            rows.append(_row(study, level, name, by_kind))
    return pandas.DataFrame(rows)


def _levels(study):
    """(level, {kind: its rows by criterion}) of every level at which something is retrained; a kind may lack some."""
    for level, part in study.retrained.groupby("level", sort=True):
        by_kind = {kind: rows.set_index("criterion") for kind, rows in part.groupby("kind", sort=False)}
        if "retrained" in by_kind:
            yield level, by_kind


def _row(study, level, name, by_kind):
    last = by_kind["retrained"].loc[name]
    row = {"level": percent(level), "criterion": f"`{name}`{dagger(last['collapsed'])}"}
    for kind in KINDS:
        if kind in by_kind:
            row[KINDS[kind].column] = accuracy(by_kind[kind]["accuracy"].get(name))
    dense = study.cell(study.criteria[0], 0)
    row["multiply-adds left"] = f"{100 * last['macs'] / dense['macs']:.0f} %"
    for reference, words in REFERENCES.items():
        row[f"less {words}"] = points(_versus(name, last, reference))
    return row


def _versus(name, row, reference):
    """The Difference of a retrained network to a reference; None where there is none, and of chance to itself."""
    estimate = row[f"versus_{reference}"]
    if estimate != estimate or name == reference == RANDOM:
        return None
    return Difference(estimate, row[f"versus_{reference}_low"], row[f"versus_{reference}_high"])


def sentences(study: Study) -> Iterator[str]:
    """The spread of the criteria before and after, the criteria that are behind chance, and the smallest loss."""
    for level, by_kind in _levels(study):
        pruned = by_kind["none"].drop(RANDOM, errors="ignore")
        retrained = by_kind["retrained"].drop(RANDOM, errors="ignore")
        where = f"{study.label} at {percent(level)}"
        spans = [f"{_span(pruned['accuracy'])} as pruned", f"{_span(retrained['accuracy'])} retrained"]
        yield f"{where}, the criteria lie at {joined(spans)}."
        yield from _against_chance(where, retrained)
        nearest = retrained["versus_dense"].idxmax()
        lost = points(_versus(nearest, retrained.loc[nearest], "dense"))
        yield f"{where}, retrained, the nearest to the dense network is `{nearest}`: {lost}."


def _span(accuracies):
    return f"{accuracy(accuracies.min())} to {accuracy(accuracies.max())} %"


def _against_chance(where, retrained):
    versus = {}
    for name, row in retrained.iterrows():
        difference = _versus(name, row, "random")
        if difference is not None:
            versus[name] = difference
    if not versus:
        return
    differences = list(versus.values())
    text = f"{where}, retrained, against random units: {of_all(differences)}; {span(differences)}"
    yield with_behind(text, behind(versus))
