"""List what can be removed from a network, and what that saves."""

from secateur.artifacts import provenance, tables
from secateur.images import store
from secateur.jobs import script
from secateur.models import description
from secateur.units import finding


def list_units(split, table, options):
    """{layer: why it is protected}. Random weights do: what can go depends on the architecture alone."""
    with store.opened(split) as shown:
        model, described = description.untrained(options["model"], shown)
    found = finding.find(model, described.zeros(1), options["residual"], options["linear"])
    tables.write(finding.table(found), table)
    return found.protected


if "snakemake" in globals():
    with script.job(snakemake) as job:
        protected = list_units(snakemake.input.images, snakemake.output.table, job.options)
        provenance.write(snakemake.output.manifest, **job.provenance, protected=protected)
