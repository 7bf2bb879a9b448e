"""Draw a random order of the channels: the control that every criterion has to beat."""

from secateur import jobs, provenance, ranking, seeds, tables


def rank_at_random(units, table, seed):
    units = tables.read(units, "unit", "layer", "channel")
    tables.write(ranking.table(ranking.at_random(units["unit"].nunique(), seed), units), table)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        seed = seeds.derived(job.options["seed"], "random", job.wildcards["seed"], job.wildcards["draw"])
        rank_at_random(snakemake.input.units, snakemake.output.table, seed)
        provenance.write(snakemake.output.manifest, **job.provenance)
