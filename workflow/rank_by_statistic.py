"""Rank the units of one network by each statistic of one source."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script


def rank_by_statistic(statistics, units, paths, unit_score, per=None):
    """Write a ranking for each of `paths`, {statistic: path}; `per` is the cost that scores are divided by."""
    units, values = tables.read(units, *ranking.UNITS), tables.read(statistics, "layer", "channel", *paths)
    for statistic, path in paths.items():
        scores = ranking.scores(values, units, statistic, unit_score)
        if per:
            scores = ranking.per_cost(scores, units, per)
        tables.write(ranking.table(ranking.by_score(scores), units, partial=True), path)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        paths = dict(zip(job.options["statistics"], snakemake.output.tables, strict=True))
        chosen = job.options["unit_score"], job.options.get("per")
        rank_by_statistic(snakemake.input.statistics, snakemake.input.units, paths, *chosen)
        provenance.write(snakemake.output.manifest, **job.provenance)
