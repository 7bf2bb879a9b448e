"""List the units of a network, with the parameters and multiply-adds that each saves."""

from secateur.artifacts import provenance, tables
from secateur.images import store
from secateur.jobs import script
from secateur.models import description
from secateur.units import finding


def list_units(split, table, options):
    """{layer: why it is protected}. Random weights suffice: the units depend on the architecture alone."""
    with store.opened(split) as images:
        model, described = description.untrained(options["model"], images)
    units = finding.find(model, described.zeros(1), options["residual"], options["linear"])
    tables.write(finding.table(units), table)
    return units.protected


if "snakemake" in globals():
    with script.job(snakemake) as job:
        protected = list_units(snakemake.input.images, snakemake.output.table, job.options)
        provenance.write(snakemake.output.manifest, **job.provenance, protected=protected)
