"""Gather the evaluations of all criteria and seeds, and average them."""

from pathlib import Path

import h5py
import numpy as np

from secateur import jobs, provenance, summary, tables


def collect_evaluations(paths, bits, evaluations, curves, options):
    parts = [(*_names(path), tables.read(path, "level", "accuracy", "loss")) for path in paths]
    table = summary.evaluations(parts)
    tables.write(table, evaluations)
    # Bits are read only where they are needed: for one network.
    right = {_names(path)[1]: read_bits(path) for path in bits} if len(options["seeds"]) == 1 else {}
    tables.write(summary.curves(table, right, options["confidence"], options["resamples"], options["seed"]), curves)


def _names(path):
    """(training seed, criterion) of results/{dataset}/{model}/{seed}/evaluation/{criterion}.csv."""
    path = Path(path)
    return int(path.parts[-3]), path.name.removesuffix(path.suffix)


def read_bits(path):
    """Bools (levels, images)."""
    with h5py.File(path, "r") as file:
        return np.unpackbits(file["right"][:], axis=1, count=int(file.attrs["images"])).astype(bool)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        collect_evaluations(
            snakemake.input.tables,
            snakemake.input.bits,
            snakemake.output.evaluations,
            snakemake.output.curves,
            job.options,
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
