"""Refuse a study with a level that cannot be met, or a recovery of nothing, before anything is trained."""

from secateur import recovery
from secateur.artifacts import provenance
from secateur.graph import modes
from secateur.images import store
from secateur.jobs import script
from secateur.models import description, freezing
from secateur.pruning import equal_widths, layer_sensitivity, plans
from secateur.relevance import propagation
from secateur.selection import prerequisites
from secateur.sparsity import prerequisites as of_sparsity
from secateur.study.levels import Terms
from secateur.units import finding


def check_levels(split, options):
    with store.opened(split) as images:
        model, described = description.untrained(options["model"], images)
        count = len(images)
    freezing.trainable(model, options["model"]["trainable"])
    for name in options.get("recoveries", []):
        recovery.RECOVERIES[name].refuse(model)
    if options.get("sparse"):
        of_sparsity.refuse_unprunable(model)
        of_sparsity.refuse_short(options["sparse"]["ramps"], options["sparse"]["training"], count)
    if options.get("tickets"):
        of_sparsity.refuse_emptying(model, options["tickets"]["sparsity"])
    units = finding.find(model, described.zeros(1), options["residual"], options["linear"])
    plans.refuse_level(units, options["level"], options["terms"])
    if options.get("allocated"):
        layer_sensitivity.refuse_unmet(units, options["level"], Terms(**options["terms"][0]))
    met = equal_widths.refuse_unmet(units, options.get("widths", {}), options.get("levels", []), options["terms"])
    prerequisites.refuse_unlearnable(units, options.get("learned", []))
    prerequisites.refuse_other_levels(options.get("learned_levels", {}), met)
    linear = finding.linear_layers(model, finding.table(units))
    for name, reading in options["readings"].items():
        with modes.evaluating(model):
            without = propagation.of_reading(model, reading, linear).layers_without(described.shape)
        plans.refuse_unexplained(units, options["level"], options["terms"], name, without)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        check_levels(snakemake.input.images, job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
