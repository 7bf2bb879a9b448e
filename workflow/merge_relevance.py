"""Put the relevance of all shards into the one file that a single job would have written."""

from secateur import jobs, relevance_store

if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        relevance_store.merge(snakemake.input.shards, snakemake.output.relevance, job.provenance)
