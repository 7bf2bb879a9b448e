"""Two folders of results opened as one comparison: refused in one line, with both names, where it would mislead."""

from __future__ import annotations

import json
from pathlib import Path

import pandas

from secateur import Refused
from secateur.analysis import averages, two_studies
from secateur.analysis.two_studies import Study, Two
from secateur.artifacts import correctness, provenance
from secateur.images import identity
from secateur.results import contents, opening
from secateur.results.study_results import StudyResults
from secateur.study import kinds
from secateur.study.vocabulary import BUDGETS

TABLES = ("evaluations", "curves")
COSTS = ("macs", "parameters")


def compare(a: Path | str, b: Path | str) -> pandas.DataFrame:
    """The differences of two finished studies of the same test images, from their folders of results.

    A row for every criterion, recovery and level, and for every one at equal multiply-adds, that both have: accuracies
    as fractions, B's minus A's with its interval, and which is ahead where that can be told. Raises Refused, in one
    line, for what cannot be compared: other test images, another budget, an unfinished study, one folder twice.
    """
    return two_studies.differences(opened(a, b))


def opened(a: Path | str, b: Path | str) -> Two:
    """Two finished studies as one comparison; Refused as `compare` says."""
    both = f"{a} and {b}"
    if Path(a).resolve() == Path(b).resolve():
        raise Refused(f"{both} are one folder; name the results of two studies")
    first, second = opening.open(a), opening.open(b)
    images = _test_images(first), _test_images(second)
    differs = images[0].differs(images[1])
    if differs:
        raise Refused(
            f"{both} have other test images ({images[0].shown}; {images[1].shown}): they differ in {differs}, so that "
            "their accuracies cannot be compared"
        )
    two = Two(_read(first), _read(second), images[0].digest)
    _refuse_unlike(two, both)
    return two


def _test_images(results: StudyResults):
    path = results.folder / results.study.dataset / "images" / "test.h5"
    if not path.is_file():
        raise Refused(
            f"{results.folder} has no {path.relative_to(results.folder)}, by which its test images are known; name the "
            "folder of a study's own results, or run it: snakemake all --configfile FILE"
        )
    # What the file says of its pixels is trusted where it is as its job wrote it.
    contents.refuse_damaged(path)
    return identity.of_file(path)


def _read(results: StudyResults) -> Study:
    """One of the two studies; Refused for one that is unfinished, or whose tables are of another version."""
    for name in TABLES:
        if name not in results.tables:
            raise Refused(
                f"{results.folder} is unfinished: it has no tables/{name}.csv; run its study to the end: snakemake all "
                "--configfile FILE"
            )
    evaluations = results.table("evaluations")
    _refuse_lacking(results, "evaluations", evaluations, ("seed", "split", *averages.NEEDED, *COSTS))
    curves = results.table("curves")
    ends = ("budget", "accuracy", "accuracy_low", "accuracy_high", "collapsed")
    _refuse_lacking(results, "curves", curves, (*averages.KEYS, *COSTS, *ends))
    _refuse_partial(results, evaluations)
    by_recovery = two_studies.by_recovery(evaluations, _bits(results, evaluations))
    if kinds.NONE.name not in by_recovery:
        raise Refused(f"{results.folder} has no evaluations of networks as pruned, on the test images")
    return Study(str(results.folder), results.settings, evaluations, curves, by_recovery, _versions(results))


def _refuse_lacking(results, name, table, columns):
    for column in columns:
        if column not in table:
            raise Refused(
                f"{results.folder} has results of another version: tables/{name}.csv has no column {column}; run its "
                "study again"
            )


def _refuse_partial(results, evaluations):
    """Refused for a table without all networks of the settings: of an edited study, or one that is not run again."""
    missing = sorted({*results.seeds} - {*evaluations["seed"]})
    if missing:
        raise Refused(
            f"{results.folder} is unfinished: tables/evaluations.csv has no network of the seed {missing[0]}, which "
            "its settings name; run its study to the end"
        )
    tested = evaluations[evaluations["split"] == "test"]
    lacking = sorted({*results.criteria} - {*tested["criterion"]})
    if lacking:
        raise Refused(
            f"{results.folder} is unfinished: tables/evaluations.csv has no {lacking[0]}, which its settings name; run "
            "its study to the end"
        )
    if tested["accuracy"].isna().any():
        raise Refused(f"{results.folder} has evaluations without an accuracy; run its study again")


def _bits(results, evaluations):
    """{recovery: {(split, criterion): bools}} of one network; of several nothing is read."""
    if len(results.seeds) > 1:
        return {}
    (seed,) = results.seeds
    folder = results.folder / results.study.dataset / results.study.model / str(seed) / "evaluation"
    pairs = []
    for job in results.study.evaluated:
        pair = folder / f"{job}.csv", folder / f"{job}.h5"
        for path in pair:
            if not path.is_file():
                raise Refused(
                    f"{results.folder} is unfinished: it has no {path.relative_to(results.folder)}, whose right and "
                    "wrong answers are compared where there is one network"
                )
            contents.refuse_damaged(path)
        pairs.append(pair)
    bits = {}
    for recovery in evaluations.loc[evaluations["split"] == "test", "recovery"].unique():
        bits[recovery] = correctness.of_families(pairs, "test", recovery)
    return bits


def _versions(results):
    """{library: version} of what collected the tables; nothing where no manifest says."""
    manifest = results.folder / "tables" / "curves.json"
    try:
        facts = provenance.read(manifest)
    except (OSError, json.JSONDecodeError):
        return {}
    return {"secateur": str(facts.get("secateur", "unknown")), **facts.get("versions", {})}


def _refuse_unlike(two, both):
    """Refused for studies whose levels mean different things, or that have nothing in common."""
    if two.a.budget != two.b.budget:
        first, second = BUDGETS[two.a.budget], BUDGETS[two.b.budget]
        raise Refused(
            f"{both} remove shares of different things (evaluation.budget: {first}; {second}), so that their levels "
            "cannot be compared"
        )
    if not two.families:
        raise Refused(f"{both} have no criterion in common, so that there is nothing to compare")
    if not two_studies.levels(two):
        raise Refused(f"{both} have no level in common beyond 0, so that there is nothing to compare")
