"""List what can be compared with what: layers with feature maps of one size, and channels of one structure."""

import pandas

from secateur.artifacts import provenance, tables
from secateur.criteria import locations
from secateur.jobs import script
from secateur.models import checkpoints
from secateur.units import coupling, structures


def list_stages(checkpoint, table, of_structures):
    network = checkpoints.load(checkpoint)
    example = network.description.zeros(1)
    stages = locations.stages(network.model, example)
    tables.write(pandas.DataFrame(stages.items(), columns=["layer", "stage"]), table)
    tables.write(structures.table(coupling.followed(network.model, example)), of_structures)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        list_stages(snakemake.input.network, snakemake.output.table, snakemake.output.structures)
        provenance.write(snakemake.output.manifest, **job.provenance)
