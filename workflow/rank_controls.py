"""Compute the controls of a ranking: its order at equal shares of every layer, and its shares in random order."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.study import seeds


def rank_controls(path, uniform, shuffled, draws):
    """Write the order of the ranking at `path` at equal shares to `uniform`, and one random order by each of the seeds
    `draws` to the paths `shuffled`."""
    table = tables.read(path, "unit", "layer", "channel")
    order, layers = ranking.order(table), ranking.layers_of(table)
    tables.write(ranking.table(ranking.uniform(order, layers), table, partial=True), uniform)
    for target, seed in zip(shuffled, draws, strict=True):
        tables.write(ranking.table(ranking.shuffled(order, layers, seed), table, partial=True), target)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        ranked = (*job.wildcards["controlled"].split("."), job.wildcards["seed"])
        # The random channels beside a learned criterion are those of rank_shuffled.
        shuffled = snakemake.output.get("shuffled", [])
        rank_controls(
            snakemake.input.ranking,
            snakemake.output.uniform,
            shuffled,
            [seeds.derived(job.options["seed"], "shuffled", *ranked, draw) for draw in range(len(shuffled))],
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
