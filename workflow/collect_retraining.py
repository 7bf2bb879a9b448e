"""Collect the tables of retrained networks and of the same without retraining, and average with paired intervals."""

import numpy as np

from secateur.analysis import retraining
from secateur.artifacts import correctness, places, provenance, tables
from secateur.jobs import script

NEEDED = ("criterion", "level", "images", "parameters", "macs", "loss", "accuracy", "empty")
EVALUATED = (*NEEDED, "recovery", "keep_at_least")


def collect_retraining(inputs, outputs, options):
    """`evaluated` are the tables of whole families without retraining, `retrained` those of single networks."""
    parts, right = [], []
    # Bits are read only where they are needed: for one network.
    single = len(options["seeds"]) == 1
    for path, bits in zip(inputs["evaluated"], inputs["evaluated_bits"], strict=True):
        table = tables.read(path, *EVALUATED)
        untouched = retraining.untouched(table, options["levels"])
        parts.append((places.seed_of(path), untouched))
        if single:
            right.append(correctness.read(bits, len(table))[untouched.index])
    for path, bits in zip(inputs["retrained"], inputs["retrained_bits"], strict=True):
        parts.append((places.seed_of(path), tables.read(path, *NEEDED, "kind", "trained_images")))
        if single:
            right.append(correctness.read(bits, 1))
    rows = retraining.gathered(parts)
    tables.write(rows, outputs["table"])
    bits = np.concatenate(right) if single else None
    means = retraining.means(rows, bits, options["confidence"], options["resamples"], options["seed"])
    tables.write(means, outputs["means"])


if "snakemake" in globals():
    with script.job(snakemake) as job:
        collect_retraining(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
