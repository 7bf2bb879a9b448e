"""Collect the sparse networks beside the dense ones, and average with paired intervals."""

from secateur.analysis import sparsity
from secateur.artifacts import provenance, tables
from secateur.jobs import script


def collect_sparsity(inputs, outputs, options):
    """`evaluated` are tables in which level 0 is the dense network, `dense` the files of these networks."""
    single = len(options["seeds"]) == 1
    rows, bits = sparsity.collected(inputs, ("sparse", "sparse_bits"), sparsity.VARIANTS, single)
    tables.write(rows, outputs["table"])
    means = sparsity.means(rows, bits, options["confidence"], options["resamples"], options["seed"])
    tables.write(means, outputs["means"])


if "snakemake" in globals():
    with script.job(snakemake) as job:
        collect_sparsity(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
