"""The page on recovery: the frontier of every study, verdicts on the claims, the tables of each study, and the method.

Every sentence follows from a table beside it by a rule that is the same for every study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas

from secateur.analysis import retraining
from secateur.analysis.wording import joined, percent
from secateur.study import stage_options
from secateur.study import study as settled
from secateur.study.kinds import DISTILLED, KINDS, NONE, RECONSTRUCTED, RETRAINED, STARTS, Cell
from secateur.verdicts import across_page, finished, paired, phrases, recovery_claims, selection_study
from secateur.verdicts.paired import Claim, Finding
from secateur.verdicts.recovery_claims import left
from secateur.verdicts.recovery_study import RANDOM, SHOWN, Study
from secateur.verdicts.selection_study import DENSE

COMMAND, PAGE = "python docs/write_recovery.py", "docs/recovery-results.md"
Blocks = Iterator[tuple[str, Any]]


def blocks(studies: Sequence[Study]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies."""
    findings = []
    for study in studies:
        findings += paired.judged(study, recovery_claims.CLAIMS)
    page = [("title", "Recovery without labels: accuracy against multiply-adds")]
    page += _opening(studies)
    page += verdicts(studies, findings, recovery_claims.CLAIMS)
    for study in studies:
        page += _section_of(study)
    return page


def _opening(studies) -> Blocks:
    yield (
        "text",
        f"Written by `{COMMAND}` from the tables of finished studies: every measured number is computed from these, "
        "and every verdict follows from the tables here. To make it again:",
    )
    yield "code", across_page.kept_commands(studies, [], COMMAND, PAGE)
    yield "table", finished.side_by_side(map(facts, studies))
    yield (
        "text",
        "A level is a share of the multiply-adds that leaves, for every criterion alike; as few units as save it are "
        f"removed, in the order of the ranking. `{RANDOM}` is chance, the mean of its draws, and is treated as all "
        "others are.",
    )


def facts(study: Study) -> dict[str, str]:
    """The terms of a study: {in words: in words}."""
    settings = study.settings
    recovery, split = settings["recovery"], settings["split"]
    calibrating = f"up to {phrases.count(recovery['images'])}, unlabelled, of the split `{recovery['split']}`"
    return {
        "": study.label,
        "images": f"`{settings['data']['name']}`, {study.size} pixels",
        "weights": phrases.origin({"model": settings["model"], "epochs": settings["training"]["epochs"]}),
        "networks (training seeds)": str(len(study.seeds)),
        "test accuracy of the dense network, %": paired.accuracy(study.mean(DENSE, "accuracy")),
        "images that are reported": phrases.count(study.images),
        "images that rank": f"split `rank`, {phrases.RANK_FROM[split['rank_from']]}, never reported",
        "images that calibrate": calibrating,
        "draws of chance": str(settings["criteria"]["random"]),
        "intervals": percent(settings["figures"]["confidence"]),
    }


# ---- verdicts ------------------------------------------------------------------------------------------------


def verdicts(studies: Sequence[Study], findings: Sequence[Finding], claims: Sequence[Claim]) -> Blocks:
    """The blocks on all claims: a table of all verdicts, then each claim with its comparisons."""
    yield "heading", "Verdicts"
    yield "text", _rule()
    yield "list", list(map(_intervals, studies))
    yield "text", paired.tally(findings, "claim, study and level")
    yield "table", pandas.DataFrame(paired.summary(findings, {}, "not asked"))
    for claim in claims:
        yield from paired.section(claim, [finding for finding in findings if finding.claim is claim])


def _rule():
    """The rule by which verdicts follow from comparisons."""
    return (
        "A comparison is the test accuracy of one network minus that of another over the same images, with its paired "
        "interval. *Ahead* holds where the interval lies above zero, and fails where it lies below; *not worse* is the "
        "same with minus the margin in the place of zero. Otherwise, or without an interval, it cannot be told at this "
        "scale. A claim of several comparisons holds where all of them hold, and fails where one of them fails. Two "
        "networks at chance tell nothing. Each interval stands for itself: none is widened for how many there are."
    )


def _intervals(study):
    """A sentence on the intervals of a study."""
    level = percent(study.settings["figures"]["confidence"])
    if len(study.seeds) > 1:
        return (
            f"{study.label}: intervals ({level}) are Student's over {len(study.seeds)} trainings, on differences "
            "paired by seed; draws of chance are averaged within a seed."
        )
    return (
        f"{study.label}: intervals ({level}) are over test images of this one network, a paired bootstrap; where a "
        "side is chance, Student's over its draws, widened by what the images add, and of one draw there is none."
    )


# ---- one study -----------------------------------------------------------------------------------------------


def _section_of(study: Study) -> Blocks:
    yield "heading", study.label
    dense = paired.accuracy(study.mean(DENSE, "accuracy"))
    yield (
        "text",
        f"Test accuracy in percent at each share of the multiply-adds that is left (the dense network has {dense}). In "
        "brackets the difference to the dense network as it is, in points, with its interval.",
    )
    for kind in study.treatments:
        yield "text", f"**{KINDS[kind].label[0].upper()}{KINDS[kind].label[1:]}.**"
        yield "table", pandas.DataFrame([_of_criterion(study, criterion, kind) for criterion in study.criteria])
    yield "list", [_order(study, level) for level in study.shares]
    rows = list(_trained(study))
    if rows:
        yield (
            "text",
            "**Trained behind the closed form.** The same with the images that weights were trained on, repeated ones "
            f"each time: {DISTILLED.column} by the dense network's answers alone, {RETRAINED.column} by labels. Of "
            "chance those draws are trained that are counted; before, it is the mean of all its draws.",
        )
        yield "table", pandas.DataFrame(rows).fillna("-")
        yield "list", [f"{words}: {schedule}." for words, schedule in _schedules(study).items()]


def _of_criterion(study, criterion, kind):
    row = {"criterion": f"`{criterion}`"}
    for level in study.shares:
        row[left(level)] = shown_with_dense(study, Cell(criterion, level, kind))
    return row


def shown_with_dense(study: Study, cell: Cell) -> str:
    """An accuracy in percent, with its difference to the dense network in points; a dash where there is none."""
    if not study.has(cell):
        return "-"
    compared = selection_study.compared(study, cell, DENSE)
    return f"{paired.accuracy(compared.first)} ({paired.points(compared.difference)})"


def _order(study, level):
    """A sentence: the criteria from the highest accuracy, after each treatment."""
    clauses = []
    for kind in study.treatments:
        means = {name: study.mean(Cell(name, level, kind), "accuracy") for name in study.criteria}
        order = sorted(means, key=lambda name: -means[name])
        clauses.append(f"{KINDS[kind].column}: {', '.join(f'`{name}`' for name in order)}")
    return f"From the highest mean with {left(level)}: {'; '.join(clauses)}."


def _trained(study):
    """A row for each criterion and level of which a network was trained behind the closed form."""
    kinds = [DISTILLED.name]
    if study.settings["retraining"] and study.settings["retraining"]["start"] in STARTS:
        kinds.append(RETRAINED.name)
    for level in study.shares:
        for criterion in study.criteria:
            cells = [Cell(criterion, level, kind) for kind in (NONE.name, RECONSTRUCTED.name, *kinds)]
            if study.has(*cells[:2]) and any(study.has(cell) for cell in cells[2:]):
                row = {"level": left(level), "criterion": f"`{criterion}`"}
                for cell in cells:
                    row[KINDS[cell.kind].column] = shown_with_dense(study, cell)
                for cell in filter(study.has, cells[2:]):
                    if criterion == RANDOM:
                        row["draws trained"] = str(study.cells[cell]["draw"].nunique())
                    images = joined(map(phrases.count, study.distinct(cell, "trained_images")))
                    row[f"images of {KINDS[cell.kind].column}"] = images
                yield row


def _schedules(study):
    """{kind in words: its recipe} of the recoveries and of what was trained behind them."""
    settings = settled.Study(study.settings)
    made = {cell.kind for cell in study.cells}
    chosen = {kind: stage_options.schedule(settings, kind) for kind in SHOWN if kind in made and kind != NONE.name}
    return retraining.schedules({"schedules": chosen, "steps": settings.retraining["steps"]})
