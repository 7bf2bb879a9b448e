"""Two controls of a ranking: its order at equal shares of every layer, and its shares with a random order."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.study import seeds


def rank_controls(path, uniform, shuffled, draws):
    """`path` is the ranking, `uniform` where its order at equal shares goes, `shuffled` where each of `draws` goes."""
    table = tables.read(path, "unit", "layer", "channel")
    order, layers = ranking.order(table), ranking.layers_of(table)
    tables.write(ranking.table(ranking.uniform(order, layers), table, partial=True), uniform)
    for target, seed in zip(shuffled, draws, strict=True):
        tables.write(ranking.table(ranking.shuffled(order, layers, seed), table, partial=True), target)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        purpose = ("shuffled", *(job.wildcards[key] for key in ("source", "statistic", "seed")))
        rank_controls(
            snakemake.input.ranking,
            snakemake.output.uniform,
            snakemake.output.shuffled,
            [seeds.derived(job.options["seed"], *purpose, draw) for draw in range(len(snakemake.output.shuffled))],
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
