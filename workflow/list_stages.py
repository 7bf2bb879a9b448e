"""List the stages of a network: convolutions with feature maps of one size."""

import pandas

from secateur.artifacts import provenance, tables
from secateur.criteria import locations
from secateur.jobs import script
from secateur.models import checkpoints


def list_stages(checkpoint, table):
    network = checkpoints.load(checkpoint)
    stages = locations.stages(network.model, network.description.zeros(1))
    tables.write(pandas.DataFrame(stages.items(), columns=["layer", "stage"]), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        list_stages(snakemake.input.network, snakemake.output.table)
        provenance.write(snakemake.output.manifest, **job.provenance)
