"""List what can be removed from a network, and what that saves."""

import torch

from secateur import checkpoints, jobs, provenance, tables, units


def list_units(checkpoint, table):
    model, about = checkpoints.load(checkpoint)
    found = units.find(model, torch.zeros(1, *about["shape"]))
    tables.write(units.table(found), table)
    return found.protected


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        protected = list_units(snakemake.input.network, snakemake.output.table)
        provenance.write(snakemake.output.manifest, **job.provenance, protected=protected)
