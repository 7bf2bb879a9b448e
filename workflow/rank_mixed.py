"""Mix the weight ranking and the relevance ranking: in turns, and in the proportion of each delta."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script


def rank_mixed(relevance, weight, units, combined, mixed):
    """Write the ranking in turns to `combined`, unless that is None, and those of `mixed`, {delta: path}."""
    units = tables.read(units, "unit", "layer", "channel")
    relevance, weight = ranking.order(tables.read(relevance, "unit")), ranking.order(tables.read(weight, "unit"))
    relevance, weight = ranking.of_both(relevance, weight)
    if combined:
        tables.write(ranking.table(ranking.combined(relevance, weight), units, partial=True), combined)
    for delta, path in mixed.items():
        tables.write(ranking.table(ranking.mixed(weight, relevance, delta), units, partial=True), path)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        paths, combined = list(snakemake.output.tables), None
        if job.options["combined"]:
            combined = paths.pop(0)
        rank_mixed(
            snakemake.input.relevance,
            snakemake.input.weight,
            snakemake.input.units,
            combined,
            dict(zip(job.options["deltas"], paths, strict=True)),
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
