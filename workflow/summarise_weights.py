"""From a network's filters to six statistics for each channel."""

from secateur import checkpoints, folding, graph, jobs, provenance, statistics, tables


def summarise_weights(checkpoint, table, folded):
    model, _ = checkpoints.load(checkpoint)
    modules = dict((folding.folded(model) if folded else model).named_modules())
    filters = {link.layer: modules[link.layer].weight.detach().numpy() for link in graph.links(model)}
    tables.write(statistics.of_weights(filters), table)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        summarise_weights(snakemake.input.network, snakemake.output.table, folded=job.options["folded"])
        provenance.write(snakemake.output.manifest, **job.provenance)
