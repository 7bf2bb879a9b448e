"""Write the page of two studies side by side, and the table of their differences."""

from pathlib import Path

from secateur.artifacts import files, provenance, tables
from secateur.figures import compared_answer, compared_page
from secateur.jobs import script
from secateur.results import comparing


def compare_studies(a, b, page, table, report):
    """`a` and `b` are folders of results, `report` is the folder with the page's style and script."""
    two = comparing.opened(a, b)
    chosen = compared_answer.picked(two)
    style = (report / "study.css").read_text(encoding="utf-8")
    code = (report / "study.js").read_text(encoding="utf-8")
    text = compared_page.written(two, chosen, style, code)
    tables.write(chosen.rows, table)
    files.write_text(page, text)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        compare_studies(
            job.options["a"],
            job.options["b"],
            snakemake.output.page,
            snakemake.output.table,
            Path(snakemake.scriptdir).parent / "report",
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
