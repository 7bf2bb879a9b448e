"""From a network's filters to six statistics for each channel."""

from torch import nn

from secateur import statistics
from secateur.artifacts import provenance, tables
from secateur.graph import folding
from secateur.jobs import script
from secateur.models import checkpoints
from secateur.units import finding


def summarise_weights(checkpoint, units_table, table, folded):
    """`units_table` is None unless features of linear layers can be removed."""
    model = checkpoints.load(checkpoint).model
    linear = finding.linear_layers(model, tables.read(units_table, "layer")) if units_table else ()
    modules = dict((folding.folded(model) if folded else model).named_modules())
    layers = {name: module for name, module in modules.items() if isinstance(module, nn.Conv2d) or name in linear}
    filters = {name: layer.weight.detach().numpy() for name, layer in layers.items()}
    tables.write(statistics.of_weights(filters), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        given, made = snakemake.input, snakemake.output
        summarise_weights(given.network, given.units, made.table, folded=job.options["folded"])
        provenance.write(snakemake.output.manifest, **job.provenance)
