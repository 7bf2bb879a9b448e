"""Take the relevance ranking and the weight ranking in turns."""

from secateur import jobs, provenance, ranking, tables


def rank_combined(relevance, weight, units, table):
    units = tables.read(units, "unit", "layer", "channel")
    lists = [ranking.order(tables.read(path, "unit")) for path in (relevance, weight)]
    tables.write(ranking.table(ranking.combined(*lists), units), table)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        rank_combined(snakemake.input.relevance, snakemake.input.weight, snakemake.input.units, snakemake.output.table)
        provenance.write(snakemake.output.manifest, **job.provenance)
