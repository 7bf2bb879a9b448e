"""Refuse a study of which a level cannot be met, before anything is trained."""

import torch

from secateur import images, jobs, models, modes, provenance, pruning, relevance, units


def check_levels(split, options):
    with images.opened(split) as shown:
        model, about = models.untrained(options["model"], shown)
    found = units.find(model, torch.zeros(1, *about["shape"]), options["residual"], options["linear"])
    pruning.refuse_level(found, options["level"], options["terms"])
    linear = units.linear_layers(model, units.table(found))
    for name, reading in options["readings"].items():
        with modes.evaluating(model):
            without = relevance.of_reading(model, reading, linear).layers_without(about["shape"])
        pruning.refuse_unexplained(found, options["level"], options["terms"], name, without)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        check_levels(snakemake.input.images, job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
