"""Draw random orders of the channels, free and at equal shares of every layer: what every criterion has to beat."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.study import seeds


def rank_at_random(units, paths, seed):
    """`paths` is {"random.{draw}" or "uniform.random.{draw}": where it is written}; equal draws are equal orders."""
    units = tables.read(units, "unit", "layer", "channel")
    layers = ranking.layers_of(units)
    for name, path in paths.items():
        kind, _, draw = name.rpartition(".")
        order = ranking.at_random(len(layers), seeds.derived(*seed, draw))
        tables.write(ranking.table(ranking.uniform(order, layers) if kind == "uniform.random" else order, units), path)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        paths = dict(zip(job.options["criteria"], snakemake.output.tables, strict=True))
        rank_at_random(snakemake.input.units, paths, (job.options["seed"], "random", job.wildcards["seed"]))
        provenance.write(snakemake.output.manifest, **job.provenance)
