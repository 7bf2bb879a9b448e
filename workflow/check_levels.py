"""Refuse a study of which a level cannot be met, before anything is trained."""

import torch

from secateur import images, jobs, models, provenance, pruning, relevance, units


def check_levels(split, options):
    with images.opened(split) as shown:
        model, about = models.untrained(options["model"], shown)
    found = units.find(model, torch.zeros(1, *about["shape"]), options["residual"], options["linear"])
    pruning.refuse_level(found, options["level"], options["terms"])
    linear = units.linear_layers(model, units.table(found))
    for name, reading in options["readings"].items():
        without = relevance.without(model, reading, about["shape"], linear)
        try:
            pruning.refuse_level(found, options["level"], options["terms"], units.only_in(found, without))
        except ValueError as error:
            raise ValueError(f"readings.{name}: {error}; or leave the reading out (readings: {{}})") from error


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        check_levels(snakemake.input.images, job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
