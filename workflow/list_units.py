"""List what can be removed from a network, and what that saves."""

import torch

from secateur import checkpoints, jobs, tables, units


def list_units(checkpoint, table):
    model, about = checkpoints.load(checkpoint)
    tables.write(units.table(units.find(model, torch.zeros(1, *about["shape"]))), table)


if "snakemake" in globals():
    with jobs.job(snakemake):
        list_units(snakemake.input.network, snakemake.output.table)
