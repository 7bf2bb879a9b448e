"""Mix the weight ranking and the relevance ranking: taken in turns, and in the proportion of each delta."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script


def rank_mixed(relevance, weight, units, combined, mixed):
    """`combined` is where the list in turns is written, or None; `mixed` is {delta: where}."""
    units = tables.read(units, "unit", "layer", "channel")
    relevance, weight = ranking.of_both(*(ranking.order(tables.read(path, "unit")) for path in (relevance, weight)))
    if combined:
        tables.write(ranking.table(ranking.combined(relevance, weight), units, partial=True), combined)
    for delta, path in mixed.items():
        tables.write(ranking.table(ranking.mixed(weight, relevance, delta), units, partial=True), path)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        paths = list(snakemake.output.tables)
        combined = paths.pop(0) if job.options["combined"] else None
        rank_mixed(
            snakemake.input.relevance,
            snakemake.input.weight,
            snakemake.input.units,
            combined,
            dict(zip(job.options["deltas"], paths, strict=True)),
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
