"""Mix the weight ranking and the relevance ranking in the proportion of one delta."""

from secateur import jobs, provenance, ranking, tables


def rank_mixed(relevance, weight, units, table, delta):
    units = tables.read(units, "unit", "layer", "channel")
    relevance, weight = (ranking.order(tables.read(path, "unit")) for path in (relevance, weight))
    tables.write(ranking.table(ranking.mixed(weight, relevance, delta), units), table)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        rank_mixed(
            snakemake.input.relevance,
            snakemake.input.weight,
            snakemake.input.units,
            snakemake.output.table,
            delta=job.wildcards["delta"],
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
