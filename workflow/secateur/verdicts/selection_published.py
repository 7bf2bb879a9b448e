"""Published accuracies of pruned ResNet-110 on CIFAR-10 near the source's budget, beside those measured here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis.wording import joined
from secateur.study.kinds import CONTINUED, RETRAINED, SCRATCH, Cell
from secateur.verdicts import across_words, finished, paired, selection_study, selection_widths
from secateur.verdicts.selection_study import DENSE, Study
from secateur.verdicts.selection_widths import OPPONENTS

NETWORKS = ("resnet110", "resnet56", "resnet20")
PENDING = "not measured yet"
COLUMNS = (
    *("method", "network", "images", "before, %", "after, %", "change, points"),
    *("parameters", "multiply-adds", "n", "origin"),
)
# All rows but the first were compared with this collection.
COLLECTED = "github.com/JJGO/shrinkbench, analysis/assets/existing-results (Blalock et al., 2020)"


@dataclasses.dataclass(frozen=True)
class Published:
    """A row of the literature: accuracies before and after in percent, and what the network loses, in percent.

    `change` is given where the paper has nothing else; `trainings` where it says how many.
    """

    method: str
    source: str
    after: float | None = None
    before: float | None = None
    change: float | None = None
    parameters: float | None = None
    macs: float | None = None
    trainings: int | None = None


PUBLISHED = (
    Published(
        "the source: learned selection",
        "Calleris, 2023, abstract (webthesis.biblio.polito.it/id/eprint/28492)",
        *(92.84, 93.53),
        parameters=-33.23,
        macs=-38.23,
    ),
    Published("PFEC-A, L1 norm", "Li et al., ICLR 2017", 93.55, 93.53, parameters=-2.3, macs=-15.9),
    Published("PFEC-B, L1 norm", "Li et al., ICLR 2017", 93.30, 93.53, parameters=-32.4, macs=-38.6),
    Published("soft filter pruning, fine-tuned", "He et al., IJCAI 2018", 93.86, 93.68, macs=-40.8, trainings=3),
    Published(
        "soft filter pruning, not fine-tuned",
        "He et al., IJCAI 2018",
        93.38,
        93.68,
        macs=-40.8,
        trainings=3,
    ),
    Published("NISP", "Yu et al., CVPR 2018", change=-0.18, parameters=-43.25, macs=-43.78),
    Published(
        "Scratch-B: fresh weights at the widths of PFEC-B",
        "Liu et al., ICLR 2019",
        *(93.60, 93.14),
        parameters=-32.4,
        macs=-38.6,
    ),
)


def table(studies: Sequence[Study]) -> pandas.DataFrame:
    """The published rows, then those of every study of a network of this kind, then those still to be measured."""
    rows = [_published(published) for published in PUBLISHED]
    for study in of_kind(studies):
        rows += _measured(study)
    if not any(study.full_size for study in studies):
        rows.append(_pending("the networks of this page, at the scale of the source", "ResNet-110", "32 pixels"))
    return pandas.DataFrame(rows, columns=COLUMNS)


def of_kind(studies: Sequence[Study]) -> list[Study]:
    """The studies of the networks that stand beside the published ones."""
    return [study for study in studies if study.settings["model"]["name"] in NETWORKS]


def of_the_source() -> str:
    """A sentence: the change that the source prints, beside the margin at its own scale."""
    row = PUBLISHED[0]
    assert row.after is not None and row.before is not None
    change, margin = row.after - row.before, 100 * finished.MARGIN_FULL
    side = "within" if change > -margin else "outside of"
    return f"The source itself prints a change of {change:+.2f} points, {side} the margin of {margin:.1f} at its scale."


def sources() -> str:
    """A paragraph on the source of each published row."""
    named = "; ".join(f"{published.method}: {published.source}" for published in PUBLISHED)
    return f"Sources of the published rows: {named}. Those after the first stand in the collection {COLLECTED}."


def _published(row):
    change = row.change if row.after is None else row.after - row.before
    return {
        "method": row.method,
        "network": "ResNet-110",
        "images": "32 pixels",
        "before, %": _figure(row.before, "{:.2f}"),
        "after, %": _figure(row.after, "{:.2f}"),
        "change, points": _figure(change, "{:+.2f}"),
        "parameters": _figure(row.parameters, "{:+} %"),
        "multiply-adds": _figure(row.macs, "{:+} %"),
        "n": "not stated" if row.trainings is None else f"{row.trainings} trainings",
        "origin": "*published*",
    }


def _figure(value, form):
    return "not stated" if value is None else form.format(value)


# ---- measured here -------------------------------------------------------------------------------------------


def _measured(study):
    """The rows of a study: its dense network's are the columns before and after of each."""
    for method, cell in _methods(study):
        images = f"{study.size} pixels"
        if cell is None:
            yield _pending(method, study.network, images)
        else:
            yield _row(study, method, cell, images)


def _methods(study) -> Iterator[tuple[str, Cell | None]]:
    """(method in words, its network or None where it was not measured) of all criteria at given widths."""
    for entries in selection_widths.groups(study):
        for entry in entries:
            yield from _of_entry(study, entry)
        widths = f"at the widths of `{entries[0]['name']}`"
        for opponent, words in OPPONENTS.items():
            cell = selection_widths.beside(study, entries[0], RETRAINED.name, opponent)
            yield f"{words} {widths}, retrained", cell
        yield f"fresh weights {widths}", selection_widths.fresh(study, entries[0])
    yield from _scores(study)


def _of_entry(study, entry):
    name = f"`{entry['name']}`"
    if entry["weights"] == "joint":
        yield f"{name}: gates, then retrained", selection_widths.measured(study, entry, CONTINUED.name)
    yield f"{name}: selection alone, retrained", selection_widths.measured(study, entry, RETRAINED.name)


def _scores(study):
    """Other criteria at widths of their own, such as those of PFEC."""
    for score in study.settings["criteria"]["scores"]:
        if score["scope"] == "widths":
            for kind, words in {RETRAINED.name: "retrained", SCRATCH.name: "fresh weights at its widths"}.items():
                cell = Cell(score["name"], study.level(score), kind)
                yield f"`{score['name']}`: {words}", cell if study.has(cell) else None


def _row(study, method, cell, images):
    compared = selection_study.compared(study, cell, DENSE)
    row: dict[str, Any] = {"method": method, "network": study.network, "images": images}
    row |= {
        "before, %": paired.accuracy(compared.second),
        "after, %": paired.accuracy(compared.first),
    }
    row["change, points"] = paired.points(compared.difference)
    for column, words in {"parameters": "parameters", "macs": "multiply-adds"}.items():
        change = study.mean(cell, column) / study.mean(DENSE, column) - 1
        row[words] = f"{100 * change:+.2f} %"
    return row | {"n": compared.n, "origin": f"*measured here*, `{study.settings['study']}`"}


def _pending(method, network, images):
    row = dict.fromkeys(COLUMNS, "-")
    return row | {"method": method, "network": network, "images": images, "after, %": PENDING, "origin": PENDING}


def pending(rows: pandas.DataFrame) -> str:
    """A sentence: how many rows of the table are still to be measured, by network."""
    missing = rows[rows["after, %"] == PENDING]
    measured = rows["origin"].str.startswith("*measured here*")
    counts = f"{across_words.in_words(int(measured.sum()))} rows are measured here"
    if missing.empty:
        return f"Beside the published rows {counts}, and none is missing."
    parts = []
    for network, part in missing.groupby("network", sort=False):
        parts.append(f"{across_words.in_words(len(part))} of {network}")
    return f"Beside the published rows {counts}; not measured yet: {joined(parts)}."
