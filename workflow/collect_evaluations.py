"""Collect the evaluations of all criteria and seeds, and average them."""

from secateur.analysis import collected
from secateur.artifacts import provenance, tables
from secateur.jobs import script


def collect_evaluations(inputs, evaluations, curves, options):
    table, means = collected.collected(inputs["tables"], inputs["bits"], inputs["choosing"], options)
    tables.write(table, evaluations)
    tables.write(means, curves)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        collect_evaluations(snakemake.input, snakemake.output.evaluations, snakemake.output.curves, job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
