"""Merge the relevance of all shards into the file that a single job would have written."""

from secateur.jobs import script
from secateur.relevance import store

if "snakemake" in globals():
    with script.job(snakemake) as job:
        store.merge(snakemake.input.shards, snakemake.output.relevance, job.provenance)
