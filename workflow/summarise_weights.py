"""From a network's filters to six statistics for each channel."""

from torch import nn

from secateur import checkpoints, folding, jobs, provenance, statistics, tables


def summarise_weights(checkpoint, table, folded):
    model, _ = checkpoints.load(checkpoint)
    modules = dict((folding.folded(model) if folded else model).named_modules())
    layers = {name: module for name, module in modules.items() if isinstance(module, nn.Conv2d)}
    filters = {name: layer.weight.detach().numpy() for name, layer in layers.items()}
    tables.write(statistics.of_weights(filters), table)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        summarise_weights(snakemake.input.network, snakemake.output.table, folded=job.options["folded"])
        provenance.write(snakemake.output.manifest, **job.provenance)
