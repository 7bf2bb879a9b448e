"""Draw random orders of the units, over the network and at equal shares of every layer, as baselines of criteria."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.study import seeds


def rank_at_random(units, paths, seed):
    """Write random orders to `paths`, {"random.{draw}" or "uniform.random.{draw}": path}; both use the same draws."""
    units = tables.read(units, "unit", "layer", "channel")
    layers = ranking.layers_of(units)
    for name, path in paths.items():
        kind, _, draw = name.rpartition(".")
        order = ranking.at_random(len(layers), seeds.derived(*seed, draw))
        if kind == "uniform.random":
            order = ranking.uniform(order, layers)
        tables.write(ranking.table(order, units), path)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        paths = dict(zip(job.options["criteria"], snakemake.output.tables, strict=True))
        rank_at_random(snakemake.input.units, paths, (job.options["seed"], "random", job.wildcards["seed"]))
        provenance.write(snakemake.output.manifest, **job.provenance)
