"""Collect the networks of tickets beside the dense ones, and their masks, and average with paired intervals."""

from secateur.analysis import sparsity, tickets
from secateur.artifacts import places, provenance, tables
from secateur.jobs import script


def collect_tickets(inputs, outputs, options):
    """`evaluated` are tables in which level 0 is the dense network, `dense` the files of these networks."""
    single = len(options["seeds"]) == 1
    rows, bits = sparsity.collected(inputs, ("tickets", "ticket_bits"), tickets.KINDS, single)
    tables.write(rows, outputs["table"])
    means = sparsity.means(rows, bits, options["confidence"], options["resamples"], options["seed"], tickets.KINDS)
    tables.write(means, outputs["means"])
    manifests = [(places.seed_of(path), provenance.read(path)) for path in inputs["masks"]]
    tables.write(tickets.masks(manifests), outputs["masks"])


if "snakemake" in globals():
    with script.job(snakemake) as job:
        collect_tickets(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
