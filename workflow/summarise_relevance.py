"""From relevance maps to six statistics for each channel, the same by class, and how stable they are."""

import pandas

from secateur import jobs, provenance, relevance_store, statistics, tables


def summarise_relevance(relevance, outputs, absolute, reduce):
    maps, images = relevance_store.read(relevance)
    tables.write(statistics.of_relevance(maps, absolute, reduce), outputs["table"])
    tables.write(statistics.by_class(*relevance_store.by_class(relevance), reduce), outputs["by_class"])
    curve = pandas.DataFrame(relevance_store.stability_of(relevance), columns=["images", "spearman"])
    tables.write(curve.astype({"images": int}), outputs["stability"])
    return images


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        count = summarise_relevance(snakemake.input.relevance, dict(snakemake.output.items()), **job.options)
        provenance.write(snakemake.output.manifest, **job.provenance, images=count)
