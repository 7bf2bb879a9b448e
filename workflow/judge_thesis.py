"""Judge the thesis's claims from the tables of a study, and write the verdict page."""

from pathlib import Path

import yaml

from secateur import bits, claims, comparisons, documents, files, jobs, provenance, tables, thesis, verdict

NEEDED = ("seed", "split", "criterion", "keep_at_least", "level", "images", "loss", "accuracy", "empty")


def judge_thesis(evaluations, tested, choosing, typed, page, html, options):
    """`tested` and `choosing` are [(table, bits), ...] of the families on the test and on the choosing images."""
    roles = options["verdict"]
    # Bits are read only where they are needed: for one network.
    one = len(options["seeds"]) == 1
    right = {**_right(tested, "test"), **_right(choosing, options["choose_on"])} if one else {}
    study = claims.Study(
        comparisons.Results(tables.read(evaluations, *NEEDED), right),
        thesis.read(typed / "thesis.csv"),
        ours=roles["ours"],
        faithful=roles.get("faithful") or "",
        clean=roles.get("clean") or "",
        reductions=tuple(roles.get("reductions") or ()),
        choose_on=options["choose_on"],
        **{key: tuple(value) if isinstance(value, list) else value for key, value in options["criteria"].items()},
    )
    findings = claims.judge(study, 1 - options["confidence"], options["resamples"], options["seed"])
    facts = {
        **options,
        "source": yaml.safe_load((typed / "thesis.yaml").read_text(encoding="utf-8")),
        "digests": {Path(path).name: files.digest(path) for path in (evaluations, typed / "thesis.csv")},
    }
    blocks = verdict.blocks(study, findings, facts)
    files.write_text(page, documents.as_markdown(blocks))
    files.write_text(html, documents.as_html(blocks))


def _right(families, split):
    """{(split, criterion): bools (levels, images)} of families that were evaluated on one split."""
    found = {}
    for path, right in families:
        table = tables.read(path, "criterion", "keep_at_least", "level")
        by_criterion = bits.by_criterion(table, bits.read(right, len(table)))
        found |= {(split, criterion): rows for criterion, rows in by_criterion.items()}
    return found


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        judge_thesis(
            snakemake.input.evaluations,
            list(zip(snakemake.input.tables, snakemake.input.bits, strict=True)),
            list(zip(snakemake.input.choosing, snakemake.input.choosing_bits, strict=True)),
            Path(snakemake.scriptdir).parent / "report",
            snakemake.output.page,
            snakemake.output.html,
            job.options,
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
