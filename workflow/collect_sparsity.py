"""Collect the sparse networks beside the dense ones, and average with paired intervals."""

import numpy as np

from secateur.analysis import sparsity
from secateur.artifacts import correctness, places, provenance, sparsity_table, tables
from secateur.jobs import script

EVALUATED = ("recovery", "level", "images", "parameters", "macs", "loss", "accuracy", "empty")


def collect_sparsity(inputs, outputs, options):
    """`evaluated` are tables in which level 0 is the dense network, `dense` the files of these networks."""
    parts, right = [], []
    single = len(options["seeds"]) == 1
    weights = {}
    for path, bits in zip(inputs["sparse"], inputs["sparse_bits"], strict=True):
        table = sparsity_table.read(path)
        weights[places.seed_of(path)] = int(table["weights"].iloc[0])
        parts.append((places.seed_of(path), table))
        if single:
            right.append(correctness.read(bits, 1))
    for path, bits, network in zip(inputs["evaluated"], inputs["evaluated_bits"], inputs["dense"], strict=True):
        table, seed = tables.read(path, *EVALUATED), places.seed_of(path)
        row = sparsity.dense(table, {"weights": weights[seed], "zeros": 0, **sparsity_table.size_of(network)})
        parts.append((seed, row))
        if single:
            right.append(correctness.read(bits, len(table))[row.index])
    rows = sparsity.gathered(parts)
    tables.write(rows, outputs["table"])
    bits = np.concatenate(right) if single else None
    means = sparsity.means(rows, bits, options["confidence"], options["resamples"], options["seed"])
    tables.write(means, outputs["means"])


if "snakemake" in globals():
    with script.job(snakemake) as job:
        collect_sparsity(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
