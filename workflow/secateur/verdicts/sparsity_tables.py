"""The tables of one study of sparse training: what every variant reaches at every level, and what its zeros save."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas

from secateur.analysis import intervals
from secateur.analysis.wording import joined, percent
from secateur.study import sparse
from secateur.study.sparse import REFERENCE, SparseCell
from secateur.verdicts import across_words, paired, phrases, sparsity_study
from secateur.verdicts.across import Difference
from secateur.verdicts.sparsity_study import DENSE, Study

# The column of the share of the dense network's accuracy that is kept.
OF_DENSE = "of the dense one's"
# The references of a sparse network, and their cells.
REFERENCES = {sparse.DENSE: lambda level: DENSE, REFERENCE: lambda level: SparseCell(REFERENCE, level)}


def section(study: Study) -> Iterator[tuple[str, Any]]:
    """The blocks of a study: accuracies with differences, then cost."""
    yield "heading", study.label
    yield (
        "text",
        f"Test accuracy in percent, with differences in points, paired: {study.n}. The interval of an accuracy is that "
        "of its change against the dense network, put around it and cut at 0 and 100 %.",
    )
    table, found = accuracies(study)
    yield "table", table
    yield "list", [*_sentences(found), *_highest(study), *_collapsed(study)]
    yield (
        "text",
        "Zeros without a pattern, and gradients that are not used, make nothing faster on hardware that computes with "
        "dense tensors: what stands below is what such hardware does not see. *Gradient density* is the share of "
        "weights with a gradient at the end of the training, *multiply-adds* are those by weights that are not zero, "
        "and *packed* is the file, with the names of its study and settings, as zlib packs it at its highest level. "
        "Measured times stand in `docs/sparsity.md`.",
    )
    yield "table", costs(study)


# ---- accuracies ----------------------------------------------------------------------------------------------


def accuracies(study: Study) -> tuple[pandas.DataFrame, dict[str, list[Difference]]]:
    """(a row for the dense network and for each variant at each level, {reference: its Differences})."""
    rows, found = [], {}
    for cell in _ordered(study):
        row = _named(study, cell) | {"accuracy": paired.accuracy(study.mean(cell, "accuracy"))}
        row[OF_DENSE] = f"{100 * study.mean(cell, 'accuracy') / study.mean(DENSE, 'accuracy'):.0f} %"
        for name, reference_at in REFERENCES.items():
            reference = reference_at(cell.level)
            row[f"less `{name}`"] = "-"
            if DENSE != cell != reference and reference in study.cells:
                difference = sparsity_study.compared(study, cell, reference).difference
                row[f"less `{name}`"] = paired.points(difference)
                found.setdefault(name, []).append(difference)
                if reference == DENSE:
                    row["accuracy"] += _around(study.mean(cell, "accuracy"), difference)
        rows.append(row)
    return pandas.DataFrame(rows), found


def _ordered(study):
    """The dense network, then all others from the lowest level, Feather first."""
    return sorted(study.cells, key=lambda cell: cell.level)


def _named(study, cell):
    return {"level": "-" if cell == DENSE else percent(cell.level), "variant": study.marked(cell)}


def _around(accuracy, difference):
    """The interval of a change, put around an accuracy."""
    if difference.low != difference.low:
        return " [no interval]"
    ends = (accuracy + end - difference.estimate for end in (difference.low, difference.high))
    return " [{}]".format(", ".join(map(paired.accuracy, intervals.within(*ends))))


def _sentences(found):
    """The count of differences that are ahead and behind, over all variants and levels."""
    for name, differences in found.items():
        yield f"Variants less `{name}`: {across_words.of_all(differences)}; {paired.span(differences)}."


def _highest(study):
    """A sentence for each level: the variant with the highest accuracy, and those of which it is ahead."""
    for level in study.levels:
        cells = [cell for cell in study.cells if cell.level == level]
        best = max(cells, key=lambda cell: study.mean(cell, "accuracy"))
        others = [cell for cell in cells if cell != best]
        ahead = [cell for cell in others if sparsity_study.compared(study, best, cell).difference.low > 0]
        text = f"Highest at {percent(level)}: {study.marked(best)} with {paired.accuracy(study.mean(best, 'accuracy'))}"
        if others and len(ahead) == len(others):
            text += ", ahead of all others"
        elif ahead:
            text += f", ahead of {joined(f'`{cell.variant}`' for cell in ahead)}"
        elif others:
            text += ", told apart from none"
        yield f"{text}."


def _collapsed(study):
    """A sentence for each variant and level of which a network has lost a whole layer."""
    total = across_words.in_words(len(study.seeds))
    for cell in _ordered(study):
        empty = study.empty(cell)
        if empty:
            count, networks = across_words.in_words(len(empty)), phrases.agree(len(study.seeds), "networks", "network")
            layers = joined(map("`{}`".format, dict.fromkeys(" ".join(empty).split())))
            yield (
                f"Collapsed: `{cell.variant}` at {percent(cell.level)} has a layer without weights in {count} of "
                f"{total} {networks} ({layers})."
            )


# ---- cost ----------------------------------------------------------------------------------------------------


def costs(study: Study) -> pandas.DataFrame:
    """A row for each network: gradients, zeros, multiply-adds and bytes, means over seeds."""
    return pandas.DataFrame([_cost(study, cell) for cell in _ordered(study)])


def _cost(study, cell):
    macs, left = (study.mean(cell, column) for column in ("macs", "macs_left"))
    return _named(study, cell) | {
        "gradient density": f"{100 * study.mean(cell, 'gradient_density'):.2f} %",
        "zeros": f"{study.mean(cell, 'zeros'):,.0f} of {study.mean(cell, 'weights'):,.0f}",
        "multiply-adds": f"{left:,.0f} ({100 * left / macs:.2f} %)",
        "bytes": f"{study.mean(cell, 'bytes'):,.0f}",
        "bytes, packed": f"{study.mean(cell, 'bytes_compressed'):,.0f}",
    }
