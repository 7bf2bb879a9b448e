"""The page on allocation: how much of which layer, verdicts, the frontier again, and what the search cost.

Every sentence follows from a table beside it by a rule that is the same for every study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import pandas

from secateur.analysis import sensitivity
from secateur.analysis.wording import percent
from secateur.study.kinds import KINDS, RECONSTRUCTED, Cell
from secateur.verdicts import (
    across,
    across_page,
    allocation_claims,
    finished,
    paired,
    recovery_claims,
    recovery_page,
    selection_study,
)
from secateur.verdicts.allocation_study import Study
from secateur.verdicts.selection_study import DENSE

COMMAND, PAGE = "python docs/write_allocation.py", "docs/allocation.md"
# By the side of zero on which the interval of the difference to the best ranking lies.
PAYS = {
    across.AHEAD: "it pays",
    across.BEHIND: "it does not pay",
    across.UNTOLD: "whether it pays cannot be told",
    across.WITHOUT: "without an interval, whether it pays cannot be told",
}
# What this project aimed at: {(model, level): share of the loss of the best ranking over all layers}, reconstructed.
GOALS = {("resnet20", 0.27): Fraction(1, 2), ("resnet56", 0.5): Fraction(1, 3)}
Blocks = Iterator[tuple[str, Any]]


def blocks(studies: Sequence[Study]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies."""
    findings = []
    for study in studies:
        findings += paired.judged(study, allocation_claims.CLAIMS)
    page = [("title", "How much of which layer: allocation by sensitivity, and scores in steps")]
    page += _opening(studies)
    page += recovery_page.verdicts(studies, findings, allocation_claims.CLAIMS)
    for study in studies:
        page += _section(study)
    return page


def _opening(studies) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the files of finished studies: every measured number is computed from these, and "
        "every verdict follows from the tables here. What an allocation and a step are: "
        "[criteria.md](criteria.md#levels-shared-out-between-layers). To make it again:",
    )
    yield "code", across_page.kept_commands(studies, [], COMMAND, PAGE)
    yield "table", finished.side_by_side(map(_facts, studies))


def _facts(study):
    section = study.settings["sensitivity"]
    return recovery_page.facts(study) | {
        "sensitivity": f"{section['steps']} steps of each group of layers, on up to {section['images']} images of the "
        f"split `{section['split']}`, recovery `{section['recovery']}`",
    }


# ---- one study -----------------------------------------------------------------------------------------------


def _section(study: Study) -> Blocks:
    yield "heading", study.label
    dense = paired.accuracy(study.mean(DENSE, "accuracy"))
    yield (
        "text",
        f"Test accuracy in percent at each share of the multiply-adds that is left (the dense network has {dense}). In "
        "brackets the difference to the dense network as it is, in points, with its interval. `uniform.` is the same "
        "order at equal shares of all layers, `shuffled.` random channels with the same widths.",
    )
    for kind in study.treatments:
        yield "text", f"**{KINDS[kind].label[0].upper()}{KINDS[kind].label[1:]}.**"
        yield "table", pandas.DataFrame([_row(study, name, kind) for name in study.shown])
    yield "list", [_pays(study, name, level) for name in study.allocated for level in study.shares] + _goals(study)
    yield "text", "What the search cost, for each network; the rankings behind it and the evaluation are not counted."
    yield "table", _costs(study)
    for name, curve in study.curves.items():
        whole = float(curve.loc[curve["group"] == sensitivity.WHOLE, "accuracy"].mean())
        yield (
            "text",
            f"What each group of layers can lose in the order of `{name}`; the whole network has {100 * whole:.2f} %.",
        )
        yield "table", _tolerated(curve, whole)


def _row(study, name, kind):
    row = {"criterion": f"`{name}`"}
    for level in study.shares:
        row[recovery_claims.left(level)] = recovery_page.shown_with_dense(study, Cell(name, level, kind))
    return row


def _goals(study):
    """Sentences on the goals for this network: what the best allocation loses as a share of the best ranking."""
    sentences = []
    for (model, level), goal in GOALS.items():
        kind = RECONSTRUCTED.name
        asked = study.settings["model"]["name"] == model and level in study.shares and kind in study.treatments
        if not asked or not study.allocated:
            continue
        best = min(_losses(study, study.global_rankings, level, kind).values())
        name, own = min(_losses(study, study.allocated, level, kind).items(), key=lambda one: one[1])
        sentences.append(
            f"The goal with {recovery_claims.left(level)}, reconstructed, was {goal} of the loss of the best ranking "
            f"over all layers. The best allocation, `{name}`, loses {100 * own:.2f} points, and that ranking "
            f"{100 * best:.2f}{_share(own, best)}: {'reached' if own <= goal * best else 'missed'}."
        )
    return sentences


def _losses(study, names, level, kind):
    """{criterion: what it loses of the dense network's accuracy}, rounded as the tables' differences are."""
    cells = {name: Cell(name, level, kind) for name in names}
    return {name: -selection_study.compared(study, cell, DENSE).difference.estimate for name, cell in cells.items()}


def _pays(study, name, level):
    """A sentence: the loss of an allocation beside that of the best ranking over all layers, after each treatment."""
    clauses = []
    for kind in study.treatments:
        losses = _losses(study, study.global_rankings, level, kind)
        best = min(losses, key=losses.__getitem__)
        own = _losses(study, [name], level, kind)[name]
        compared = selection_study.compared(study, Cell(name, level, kind), Cell(best, level, kind))
        clauses.append(
            f"{KINDS[kind].column}: {100 * own:.2f} points lost, the best ranking over all layers, `{best}`, loses "
            f"{100 * losses[best]:.2f}{_share(own, losses[best])}: {PAYS[compared.difference.verdict]}"
        )
    return f"`{name}` with {recovery_claims.left(level)}: {'; '.join(clauses)}."


def _share(own, best):
    return f" ({percent(round(own / best, 3))} of it)" if own > 0 and best > 0 else ""


def _costs(study):
    rows = []
    for row in study.costs.itertuples():
        networks = f"{row.networks:,.0f} networks on {row.images:,.0f} images" if row.networks else "steps"
        seconds = f"{row.cpu_seconds:,.0f}"
        if row.measured_now < row.networks:
            # Others were in the cache.
            seconds += f" for {row.measured_now:,.0f} of them"
        rows.append({"criterion": f"`{row.criterion}`", "measured": networks, "CPU seconds": seconds})
    return pandas.DataFrame(rows)


def _tolerated(curve, whole):
    table = curve[curve["group"] != sensitivity.WHOLE]
    table = table.assign(share=table["removed"] / table["units"])
    found = sensitivity.tolerated(table, whole).drop(columns="layers")
    for column in found.columns[2:]:
        found[column] = found[column].map(lambda share: percent(round(float(share), 3)))
    return found.assign(group=[f"`{name}`" for name in found["group"]], units=found["units"].map(str))
