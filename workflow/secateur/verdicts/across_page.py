"""The page on finished studies side by side: every sentence is decided by a table beside it, by a fixed rule.

An accuracy is called ahead of another where the interval of their difference leaves out zero. Nothing is said of a
criterion that the rule does not also ask of all others of its kind.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas

from secateur.analysis import intervals
from secateur.analysis.wording import joined, percent
from secateur.verdicts import across_criteria, across_pairs, across_retraining, kept_results, phrases
from secateur.verdicts.across import Study
from secateur.verdicts.across_families import DIVIDED
from secateur.verdicts.finished import Finished

COMMAND = "python docs/write_resnets.py"
KEEP = "python docs/keep_results.py"
RUN = "SECATEUR_DATA=FOLDER snakemake --cores 2 all report --configfile"


def blocks(studies: Sequence[Study], folders: Iterable[Path | str]) -> list[tuple[str, Any]]:
    """The page as a list of (kind, content), from finished studies and the folders of their results."""
    labels = [study.label for study in studies]
    return [
        ("title", f"{joined(labels)}: every criterion of the studies"),
        *_opening(studies, folders),
        *across_pairs.with_statistics(studies),
        *across_criteria.families(studies),
        *across_pairs.divided_alike(studies),
        *across_pairs.in_turns(studies),
        *across_criteria.every(studies),
        *across_criteria.at_equal_cost(studies),
        *across_criteria.controls(studies),
        *across_retraining.retraining(studies),
    ]


def _opening(studies, folders):
    yield (
        "text",
        f"Written by `{COMMAND}` from the tables of finished studies: every number is a cell of a table here, and "
        "every sentence follows from the tables by a rule that is the same for every study. To make it again:",
    )
    yield "code", commands([study.settings["study"] for study in studies], COMMAND, folders, "docs/resnets.md")
    yield "table", pandas.DataFrame(map(_facts, studies)).set_index("").T.reset_index(names="")
    yield (
        "text",
        "There is one network of each kind: what follows holds for these weights, and says nothing of other trainings. "
        "Brackets are intervals of paired differences over test images; against the random control its draws count "
        "too. Each stands for itself, none is widened for how many there are. One criterion is called *ahead* of "
        "another where the interval leaves out zero, and *not told apart* from it where it does not.",
    )
    yield (
        "text",
        "A level is a share of the *units*, and criteria spend it on units of unlike cost: read accuracy together "
        f"with the multiply-adds that are left. † a layer is empty.{_recovered(studies)}",
    )


def commands(names: Iterable[str], writer: str, folders: Iterable[Path | str], page: str) -> str:
    """The commands that run studies by their names and write a page of the folders of their results."""
    runs = [f"{RUN} config/studies/{name}.yaml" for name in names]
    return "\n".join([*runs, f"{writer} {' '.join(map(str, folders))} > {page}"])


def kept_commands(studies: Sequence[Finished], before: Iterable[str], writer: str, page: str) -> str:
    """The commands that run studies, after those `before` them, keep what the page reads of them, and write it."""
    names, results = list(before), []
    for study in studies:
        names.append(study.settings["study"])
        results.append(study.settings["results"])
    folders = [f"{kept_results.PLACE}/{study.settings['study']}" for study in studies]
    *runs, writing = commands(names, writer, folders, page).splitlines()
    return "\n".join([*runs, f"{KEEP} {' '.join(results)}", writing])


def _recovered(studies):
    """A sentence for studies that also test networks after recovery, with the space before it."""
    if not any(len(study.settings["evaluation"]["recovery"]) > 1 for study in studies):
        return ""
    return " Networks are as pruning left them, without the recoveries that a study may show beside."


def _facts(study):
    """A study in the table of studies: {property: text}."""
    settings, results = study.settings, study.results
    dense, images = results.dense(), results.images("test")
    cell = study.cell(study.criteria[0], 0)
    spreads = f"{_spread(study, dense)} / {_spread(study, 0.5)}"
    weights = settings["model"]["weights"]
    return {
        "": study.label,
        "study": f"`{settings['study']}`",
        "images": f"`{settings['data']['name']}`",
        "weights": f"`{weights}`" if weights else "trained in the study",
        "parameters": f"{cell['parameters']:,.0f}",
        "multiply-adds": f"{cell['macs']:,.0f}",
        "test accuracy before pruning, %": f"{100 * dense:.2f}",
        "test images": f"{images:,}",
        "what chance in these images does to an accuracy: of the dense network / of 50 %": spreads,
        "images that rank": _ranking_images(study),
        "images that choose the best of a family": settings["evaluation"]["choose_on"] or "none",
        "readings": _readings(settings["readings"]),
        "evaluated in": settings["evaluation"]["precision"],
        "criteria below, draws as one": str(len(study.criteria)),
        "draws of each random control": str(settings["criteria"]["random"]),
        "intervals": percent(study.confidence),
        "floor of a layer": str(settings["evaluation"]["keep_at_least"][0]),
    }


def _spread(study, accuracy):
    """Wilson's interval of an accuracy over so many test images."""
    images = study.results.images("test")
    low, high = intervals.wilson(accuracy * images, images, study.confidence)
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def _ranking_images(study):
    split = study.settings["split"]
    count = study.results.images("rank") or split["rank"]
    return f"{count:,}, {phrases.RANK_FROM[split['rank_from']]}, not reported"


def _readings(readings):
    if not readings:
        return "none"
    return joined(f"`{name}` ({about['rule']}, {DIVIDED[about['reduce']]})" for name, about in readings.items())
