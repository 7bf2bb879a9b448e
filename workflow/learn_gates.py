"""Train gates in front of the units of one network, and write what they chose as a score of each channel."""

from pathlib import Path

import pandas

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, freezing, tensor_files
from secateur.selection import gate_phase, learning
from secateur.study import seeds
from secateur.study import widths as study_widths
from secateur.training import loop
from secateur.units import finding

COLUMNS = (*loop.COLUMNS, *gate_phase.COLUMNS)


def learn_gates(inputs, outputs, options, seed, stamp, provenance):
    """`seed` is that of all random draws; returns facts for the manifest."""
    device = devices.chosen(options["device"])
    dense = checkpoints.load(inputs["network"], device)
    model, described = dense.model, dense.description
    freezing.trainable(model, options["model"]["trainable"])
    units = finding.find(model, described.zeros(1, device), options["residual"], options["linear"])
    partial = f"{outputs['network']}.partial"
    with (
        store.opened(inputs["train"]) as train,
        store.opened(inputs["validation"]) as validation,
        store.opened(inputs["calibration"]) as calibration,
    ):
        for images in (train, validation, calibration):
            checkpoints.same_images(described, images, inputs["network"])
        rows = store.chosen(calibration, most=options["learned"]["calibration"]["images"])
        pixels = calibration.normalised(rows).to(device)
        chosen = {**options["learned"], "training": options["training"], "gates": learning.schedule_of_gates(options)}
        material = learning.Material(train, validation, chosen, seed, partial, stamp, calibration=pixels)
        selected = learning.selected(model, units, widths_of(units, options), start_of(units, inputs), material)
    facts = dense.facts | {"closed": selected.channels, "provenance": provenance}
    checkpoints.save(outputs["network"], selected.model, described, facts)
    tensor_files.write(outputs["gates"], {"gates": selected.gates})
    tables.write(
        pandas.DataFrame(selected.history, columns=loop.columns(selected.history, COLUMNS)), outputs["history"]
    )
    tables.write(learning.table(selected.scores, units), outputs["table"])
    Path(partial).unlink(missing_ok=True)
    return {
        "units": len(units.units),
        "closed": len(finding.only_of(units, selected.channels)),
        "dead": int(selected.dead.sum()),
        "images": len(train) * options["training"]["epochs"],
    }


def widths_of(units, options):
    """{layer: count of units that stay}, or None for a free budget."""
    given = options["learned"]["widths"]
    if given is None:
        return None
    return study_widths.resolved(given, ranking.counts_of(finding.table(units)), "criteria.learned.widths")


def start_of(units, inputs):
    """{unit: score} by which the logits start, or None for zero."""
    if not inputs.get("start"):
        return None
    scores = tables.read(inputs["start"], "layer", "channel", "score")
    return ranking.scores(scores, finding.table(units), "score").to_dict()


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        facts = learn_gates(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            job.options,
            # Draws of one number share the order of the images, whatever the pruning-model.
            seeds.derived(job.options["seed"], "gates", int(job.wildcards["seed"]), job.options["draw"]),
            job.stamp,
            job.provenance,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, learned=facts)
