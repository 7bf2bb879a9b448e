"""Write the page of a study from its tables and its description."""

from pathlib import Path

import yaml

from secateur.analysis import averages
from secateur.analysis.results import Results
from secateur.artifacts import correctness, files, tables
from secateur.figures import page_parts, study_page
from secateur.jobs import script
from secateur.relevance import comparison


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
        (report / "study.css").read_text(encoding="utf-8"),
        (report / "study.js").read_text(encoding="utf-8"),
        list(map(comparison.read, inputs.get("compared", []))),
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


def _right(inputs):
    """{(split, criterion): bools (levels, images)}; the rule names files of them where they are needed."""
    return correctness.of_families(zip(inputs["tables"], inputs["bits"], strict=True), "test")


if "snakemake" in globals():
    with script.job(snakemake):
        write_study_page(snakemake.input, snakemake.output.page, Path(snakemake.scriptdir).parent / "report")
