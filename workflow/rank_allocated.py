"""Rank the units of one network so that its levels are shared out between layers by measured sensitivity."""

from secateur.analysis import sensitivity
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.models import checkpoints
from secateur.pruning import layer_sensitivity
from secateur.study.levels import Terms
from secateur.units import coupling


def rank_allocated(checkpoint, measured, ranking, table, levels, terms):
    """Write the ranking to `table`: in every layer the order of `ranking`, by the curves in `measured`."""
    network = checkpoints.load(checkpoint)
    coupled = coupling.followed(network.model, network.description.zeros(1))
    measured, ranking = tables.read(measured, *sensitivity.COLUMNS), tables.read(ranking, "unit", "layer", "channel")
    tables.write(layer_sensitivity.allocated(measured, ranking, levels, Terms(**terms), coupled), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        rank_allocated(
            snakemake.input.network,
            snakemake.input.measured,
            snakemake.input.ranking,
            snakemake.output.table,
            job.options["levels"],
            job.options["terms"],
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
