"""From relevance maps to six statistics for each channel."""

from secateur import jobs, provenance, relevance_store, statistics, tables


def summarise_relevance(relevance, table, absolute, reduce):
    maps, images = relevance_store.read(relevance)
    tables.write(statistics.of_relevance(maps, absolute, reduce), table)
    return images


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        count = summarise_relevance(snakemake.input.relevance, snakemake.output.table, **job.options)
        provenance.write(snakemake.output.manifest, **job.provenance, images=count)
