"""Rank the channels of one network by one statistic."""

from secateur import jobs, provenance, ranking, tables


def rank_by_statistic(statistics, units, table, statistic):
    units = tables.read(units, "unit", "layer", "channel")
    scores = ranking.scores(tables.read(statistics, "layer", "channel", statistic), units, statistic)
    tables.write(ranking.table(ranking.by_score(scores), units), table)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        rank_by_statistic(
            snakemake.input.statistics,
            snakemake.input.units,
            snakemake.output.table,
            job.wildcards["statistic"],
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
