"""Judge the thesis's claims from the tables of a study, and write the verdict page."""

from pathlib import Path

import yaml

from secateur.analysis.results import Results
from secateur.artifacts import correctness, files, provenance, tables
from secateur.figures import documents
from secateur.jobs import script
from secateur.verdicts import beside, findings, judging, thesis_claims, thesis_numbers
from secateur.verdicts import page as verdicts_page

NEEDED = ("seed", "split", "criterion", "keep_at_least", "level", "images", "loss", "accuracy", "empty")


def judge_thesis(evaluations, tested, choosing, typed, page, html, table, options):
    """`tested` and `choosing` are [(table, bits), ...] of the families on the test and on the choosing images.

    Gives back what the study says of itself to the pages of others.
    """
    roles = options["verdict"]
    # Bits are read only where they are needed: for one network.
    one = len(options["seeds"]) == 1
    right = {**_right(tested, "test"), **_right(choosing, options["choose_on"])} if one else {}
    results = Results(tables.read(evaluations, *NEEDED), right)
    printed = thesis_numbers.read(typed / "thesis.csv")
    study = thesis_claims.of_settings(results, printed, roles, options["choose_on"], options["criteria"])
    found = judging.judge(study, 1 - options["confidence"], options["resamples"], options["seed"])
    others = [findings.read(folder) for folder in roles.get("beside", [])]
    facts = {
        **options,
        "source": yaml.safe_load((typed / "thesis.yaml").read_text(encoding="utf-8")),
        "digests": _digests(evaluations, typed, roles.get("beside", [])),
    }
    blocks = verdicts_page.blocks(study, found, facts, others)
    files.write_text(page, documents.as_markdown(blocks))
    files.write_text(html, documents.as_html(blocks))
    tables.write(findings.table(findings.by_part(found, study)), table)
    return beside.about(study, facts)


def _digests(evaluations, typed, folders):
    """{the table: its digest} of all that the page is made from."""
    named = {Path(path).name: path for path in (evaluations, typed / "thesis.csv")}
    named |= {f"{folder}/tables/verdict.csv": Path(folder) / "tables" / "verdict.csv" for folder in folders}
    return {name: files.digest(path) for name, path in named.items()}


def _right(families, split):
    """{(split, criterion): bools (levels, images)} of families that were evaluated on one split."""
    found = {}
    for path, right in families:
        table = tables.read(path, "criterion", "keep_at_least", "level")
        by_criterion = correctness.by_criterion(table, correctness.read(right, len(table)))
        found |= {(split, criterion): rows for criterion, rows in by_criterion.items()}
    return found


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
