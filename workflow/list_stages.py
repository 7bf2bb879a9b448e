"""List which convolutions have maps of one size: a stage."""

import pandas
import torch

from secateur import checkpoints, criteria, jobs, provenance, tables


def list_stages(checkpoint, table):
    model, about = checkpoints.load(checkpoint)
    found = criteria.stages(model, torch.zeros(1, *about["shape"]))
    tables.write(pandas.DataFrame(found.items(), columns=["layer", "stage"]), table)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        list_stages(snakemake.input.network, snakemake.output.table)
        provenance.write(snakemake.output.manifest, **job.provenance)
