"""Write the page of a study from its tables and its description."""

from pathlib import Path

import pandas
import yaml

from secateur import ranking
from secateur.analysis import averages, sensitivity
from secateur.analysis.agreement import Rankings
from secateur.analysis.results import Results
from secateur.artifacts import correctness, files, provenance, tables
from secateur.figures import page_parts, study_page
from secateur.jobs import script


def write_study_page(inputs, page, report):
    """`report` is the folder with the page's style and script."""
    config = yaml.safe_load(Path(inputs["settings"]).read_text(encoding="utf-8"))
    evaluations = tables.read(inputs["evaluations"], "seed", "split", *averages.NEEDED)
    study = page_parts.Study(
        config,
        tables.read(inputs["curves"], *averages.KEYS, "budget", "accuracy", "accuracy_low", "accuracy_high"),
        evaluations,
        Results(evaluations, _right(inputs)),
        Path(inputs["description"]).read_text(encoding="utf-8"),
        _more(inputs),
        Rankings(inputs.get("rankings", []), ranking.order),
        _sensitivity(inputs.get("sensitivity", [])),
        {str(Path(path).parent): provenance.read(path) for path in inputs.get("exports", [])},
        (report / "study.css").read_text(encoding="utf-8"),
        (report / "study.js").read_text(encoding="utf-8"),
    )
    files.write_text(page, study_page.written(study))


def _more(inputs):
    """{section: its table of means, or its page} of those that the study has."""
    more = {}
    for name in ("retraining", "sparsity", "tickets"):
        for path in inputs.get(name, []):
            more[name] = tables.read(path, "accuracy", "accuracy_low", "accuracy_high")
    for path in inputs.get("verdicts", []):
        more["verdicts"] = Path(path).read_text(encoding="utf-8")
    return more


def _sensitivity(paths):
    """{criterion: its curves of all networks}, in the order of the criteria's names."""
    by_criterion = {}
    for path in sorted(map(Path, paths)):
        by_criterion.setdefault(path.name.removesuffix(".csv"), []).append(sensitivity.read(path))
    return {name: pandas.concat(parts, ignore_index=True) for name, parts in by_criterion.items()}


def _right(inputs):
    """{(split, criterion): bools (levels, images)}; the rule names files of them where they are needed."""
    return correctness.of_families(zip(inputs["tables"], inputs["bits"], strict=True), "test")


if "snakemake" in globals():
    with script.job(snakemake):
        write_study_page(snakemake.input, snakemake.output.page, Path(snakemake.scriptdir).parent / "report")
