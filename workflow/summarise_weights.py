"""Compute six statistics of a network's filters for each channel."""

from typing import cast

from torch import nn

from secateur import statistics
from secateur.artifacts import provenance, tables
from secateur.graph import folding
from secateur.jobs import script
from secateur.models import checkpoints
from secateur.units import finding


def summarise_weights(checkpoint, units_table, table, folded):
    """Write the table; `units_table` is None unless linear layers can be pruned."""
    model, linear = checkpoints.load(checkpoint).model, ()
    if units_table:
        linear = finding.linear_layers(model, tables.read(units_table, "layer"))
    if folded:
        model = folding.folded(model)
    filters = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) or name in linear:
            layer = cast(nn.Conv2d | nn.Linear, module)
            filters[name] = layer.weight.detach().numpy()
    tables.write(statistics.of_weights(filters), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        inputs, outputs = snakemake.input, snakemake.output
        summarise_weights(inputs.network, inputs.units, outputs.table, folded=job.options["folded"])
        provenance.write(snakemake.output.manifest, **job.provenance)
