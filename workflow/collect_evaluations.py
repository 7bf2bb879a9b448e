"""Collect the evaluations of all criteria and seeds, and average them."""

import itertools

from secateur.analysis import averages
from secateur.artifacts import correctness, places, provenance, tables
from secateur.jobs import script


def collect_evaluations(paths, right, choosing, evaluations, curves, options):
    """`paths` and `right` are tables and bits on the test images, `choosing` tables on the images that choose."""
    tested = list(map(_read, paths))
    parts = [(places.seed_of(path), "test", part) for path, part in zip(paths, tested, strict=True)]
    for path in choosing:
        parts.append((places.seed_of(path), options["choose_on"], _read(path)))
    table = averages.evaluations(parts)
    tables.write(table, evaluations)
    bits, losses = [], []
    # Images are looked at only where they are needed: for one network.
    if len(options["seeds"]) == 1:
        lengths = list(map(len, tested))
        pairs = list(zip(right, lengths, strict=True))
        bits = list(itertools.starmap(correctness.read, pairs))
        losses = list(itertools.starmap(correctness.losses, pairs))
    rows = averages.curves(table, bits, losses, options["confidence"], options["resamples"], options["seed"])
    tables.write(rows, curves)


def _read(path):
    return tables.read(path, *averages.NEEDED)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        collect_evaluations(
            snakemake.input.tables,
            snakemake.input.bits,
            snakemake.input.choosing,
            snakemake.output.evaluations,
            snakemake.output.curves,
            job.options,
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
