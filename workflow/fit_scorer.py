"""Fit one network that scores the units of all layers, in front of a network whose weights it leaves alone."""

from pathlib import Path

import pandas

from secateur.artifacts import provenance, tables
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, freezing, tensor_files
from secateur.ranking import counts_of
from secateur.selection import budgets, descriptors, learning, scorer_fitting, scorer_phase, scoring_network
from secateur.study import levels, seeds, widths
from secateur.training import loop
from secateur.units import finding

COLUMNS = (*loop.COLUMNS, *scorer_phase.COLUMNS, "forwards")


def fit_scorer(inputs, outputs, options, seed, stamp, provenance):
    """`seed` is that of all random draws; returns facts for the manifest."""
    device = devices.chosen(options["device"])
    dense = checkpoints.load(inputs["network"], device)
    model, described, entry = dense.model, dense.description, options["learned"]
    freezing.trainable(model, options["model"]["trainable"])
    units = finding.find(model, described.zeros(1, device), options["residual"], options["linear"])
    partial = f"{outputs['scorer']}.partial"
    with (
        store.opened(inputs["train"]) as train,
        store.opened(inputs["validation"]) as validation,
        store.opened(inputs["calibration"]) as calibration,
    ):
        for images in (train, validation, calibration):
            checkpoints.same_images(described, images, inputs["network"])
        batches = None
        if entry["gradients"]:
            batches = descriptors.batches_of(calibration, entry["calibration"]["images"], device)
        features = descriptors.of(model, units, batches).to(device)
        chosen = {**entry, "training": options["training"], "gates": learning.schedule_of_gates(options)}
        material = learning.Training(train, validation, chosen, seed, partial, stamp)
        fitted = scorer_fitting.fitted(model, units, features, asked_of(units, options), material)
    state = scoring_network.state_of(fitted.scorer.cpu(), scoring_network.Facts(entry["gradients"], entry["scope"]))
    tensor_files.write(outputs["scorer"], state | {"provenance": provenance})
    history = pandas.DataFrame(fitted.history, columns=loop.columns(fitted.history, COLUMNS))
    # Equal fits have equal tables, so that the time of each epoch stands in the manifest.
    tables.write(history.drop(columns="seconds"), outputs["history"])
    Path(partial).unlink(missing_ok=True)
    return {
        "units": len(units.units),
        "forwards": fitted.history[-1]["forwards"] if fitted.history else 0,
        "seconds": history["seconds"].tolist(),
    }


def asked_of(units, options):
    """{layer: count of units that stay}, or the Budget of a level over all layers."""
    entry = options["learned"]
    if entry["scope"] == "global":
        return budgets.Budget(units, entry["level"], levels.Terms(**options["terms"]))
    return widths.resolved(entry["widths"], counts_of(finding.table(units)), "criteria.learned.widths")


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        facts = fit_scorer(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            job.options,
            # Draws of one number share the order of the images with those of gates.
            seeds.derived(job.options["seed"], "gates", int(job.wildcards["seed"]), job.options["draw"]),
            job.stamp,
            job.provenance,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, learned=facts)
