"""Mix any two rankings in the proportion (1 - delta) : delta."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script


def rank_mixture(first, second, units, delta, table):
    """Write the ranking to `table`; `delta`, as text, is the share of the second ranking."""
    units = tables.read(units, "unit", "layer", "channel")
    first, second = ranking.order(tables.read(first, "unit")), ranking.order(tables.read(second, "unit"))
    first, second = ranking.of_both(first, second)
    tables.write(ranking.table(ranking.mixed(first, second, delta), units, partial=True), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        rank_mixture(
            snakemake.input.first,
            snakemake.input.second,
            snakemake.input.units,
            job.wildcards["delta"],
            snakemake.output.table,
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
