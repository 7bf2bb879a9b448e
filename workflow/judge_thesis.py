"""Judge the thesis's claims from the tables of a study, and write the verdict page."""

from pathlib import Path

import yaml

from secateur.analysis.results import Results
from secateur.artifacts import correctness, files, provenance, tables
from secateur.figures import documents
from secateur.jobs import script
from secateur.verdicts import beside, findings, judging, thesis_claims, thesis_numbers
from secateur.verdicts import page as verdicts_page

NEEDED = ("seed", "split", "criterion", "recovery", "keep_at_least", "level", "images", "loss", "accuracy", "empty")


def judge_thesis(evaluations, tested, choosing, typed, page, html, table, options):
    """`tested` and `choosing` are [(table, bits), ...] of the families on the test and on the choosing images.

    Returns the study's facts about itself for the pages of others.
    """
    table_of_all, printed = tables.read(evaluations, *NEEDED), thesis_numbers.read(typed / "thesis.csv")

    def after(recovery):
        """(the study, its findings) after one recovery."""
        results = Results(table_of_all, _right(tested, choosing, options, recovery), recovery)
        study = thesis_claims.of_settings(
            results, printed, options["verdict"], options["choose_on"], options["criteria"]
        )
        return study, judging.judge(study, 1 - options["confidence"], options["resamples"], options["seed"])

    study, judged = after(tables.AS_PRUNED)
    folders = options["verdict"].get("beside", [])
    facts = {
        **options,
        "source": yaml.safe_load((typed / "thesis.yaml").read_text(encoding="utf-8")),
        "digests": _digests(evaluations, typed, folders),
    }
    recovered = {name: after(name)[1] for name in options.get("recovered", [])}
    blocks = verdicts_page.blocks(study, judged, facts, list(map(findings.read, folders)), recovered)
    files.write_text(page, documents.as_markdown(blocks))
    files.write_text(html, documents.as_html(blocks))
    tables.write(findings.table(findings.by_part(judged, study)), table)
    return beside.about(study, facts)


def _digests(evaluations, typed, folders):
    """{table: its digest} of all that the page is made from."""
    paths = {Path(path).name: path for path in (evaluations, typed / "thesis.csv")}
    for folder in folders:
        paths[f"{folder}/tables/verdict.csv"] = Path(folder) / "tables" / "verdict.csv"
    return {name: files.digest(path) for name, path in paths.items()}


def _right(tested, choosing, options, recovery):
    """{(split, criterion): bools (levels, images)}, read only where they are needed: for one network."""
    right = {}
    if len(options["seeds"]) > 1:
        return right
    for split, families in (("test", tested), (options["choose_on"], choosing)):
        right |= correctness.of_families(families, split, recovery)
    return right


if "snakemake" in globals():
    with script.job(snakemake) as job:
        judged = judge_thesis(
            snakemake.input.evaluations,
            list(zip(snakemake.input.tables, snakemake.input.bits, strict=True)),
            list(zip(snakemake.input.choosing, snakemake.input.choosing_bits, strict=True)),
            Path(snakemake.scriptdir).parent / "report",
            snakemake.output.page,
            snakemake.output.html,
            snakemake.output.table,
            job.options,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, judged=judged)
