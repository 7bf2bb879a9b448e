"""Write the page of a study from its tables and its description."""

from pathlib import Path

import yaml

from secateur.artifacts import files
from secateur.figures import study_inputs, study_page
from secateur.jobs import runtimes, script


def write_study_page(inputs, page, report):
    """`report` is the folder with the page's style and script."""
    config = yaml.safe_load(Path(inputs["settings"]).read_text(encoding="utf-8"))
    description = Path(inputs["description"]).read_text(encoding="utf-8")
    # The rule names files of single images where they are needed.
    pairs = zip(inputs["tables"], inputs["bits"], strict=True)
    study = study_inputs.read(config, inputs, pairs, description, inputs, report)
    # The study goes on while the page is written: only what its files are made of is the same at another time.
    files.write_text(page, study_page.written(study._replace(runtimes=runtimes.behind(inputs))))


if "snakemake" in globals():
    with script.job(snakemake):
        write_study_page(snakemake.input, snakemake.output.page, Path(snakemake.scriptdir).parent / "report")
