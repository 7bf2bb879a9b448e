"""List what can be removed from a network, and what that saves."""

import torch

from secateur import images, jobs, models, provenance, tables, units


def list_units(split, table, options):
    """{layer: why it is protected}. Random weights do: what can go depends on the architecture alone."""
    with images.opened(split) as shown:
        model, about = models.untrained(options["model"], shown)
    found = units.find(model, torch.zeros(1, *about["shape"]), options["residual"], options["linear"])
    tables.write(units.table(found), table)
    return found.protected


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        protected = list_units(snakemake.input.images, snakemake.output.table, job.options)
        provenance.write(snakemake.output.manifest, **job.provenance, protected=protected)
