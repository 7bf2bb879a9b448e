"""Train one ticket, first weights that masks leave as they were or drawn anew, and test it."""

from pathlib import Path

import pandas

from secateur.artifacts import correctness, provenance, sparsity_table, tables, tickets_table
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, freezing
from secateur.retraining import networks
from secateur.sparsity import masks, remaining, tickets
from secateur.study import seeds
from secateur.training import loop, optimisation


def train_ticket(inputs, outputs, cell, options, stamp, provenance, images_per_batch):
    """`cell` is {"kind", "round", "seed"}. Returns the precision of the test."""
    device = devices.chosen(options["device"])
    first = checkpoints.load(inputs["network"])
    model, described = first.model, first.description
    freezing.trainable(model, options["model"]["trainable"])
    left = masks.read(inputs["mask"], model, {"seed": cell["seed"], "round": cell["round"]})
    drawn_by = seeds.derived(options["seed"], "tickets", cell["seed"])
    model, left = tickets.reinitialised(model, described, left, options["kind"], drawn_by)
    model.to(device)
    # The order of the images, and their augmentation, are those of the dense network.
    draws, partial = seeds.derived(options["seed"], "training", cell["seed"]), f"{outputs['network']}.partial"
    schedule = options["training"]
    with (
        store.opened(inputs["train"]) as train,
        store.opened(inputs["validation"]) as validation,
        store.opened(inputs["test"]) as test,
    ):
        for images in (train, validation, test):
            checkpoints.same_images(described, images, inputs["network"])
        precision = devices.precision(options.get("precision", "auto"), device, len(test))
        epochs = range(options["rewind"] + 1, schedule["epochs"] + 1)
        history = loop.train(model, train, validation, schedule, draws, partial, stamp, masks.hook(model, left), epochs)
        best = optimisation.best_of(history, schedule["select"])
        facts = first.facts | cell | {"provenance": provenance} | best
        checkpoints.save(outputs["network"], model, described, facts)
        saved = checkpoints.load(outputs["network"], device).model
        freezing.trainable(saved, "all")
        masks.refuse_open(saved, left, outputs["network"])
        measured = networks.measured(saved, test, precision["ran"], images_per_batch)
        counted = remaining.counted(saved, described.zeros(1, device))
        size, classes = sparsity_table.size_of(outputs["network"]), test.classes
    tables.write(pandas.DataFrame(history, columns=loop.columns(history)), outputs["history"])
    named = {key: cell[key] for key in tickets_table.CELL}
    density = 1 - masks.zeros_of(left) / counted.weights
    row = sparsity_table.row(named, counted, size, density, measured, classes)
    tables.write(pandas.DataFrame([row]), outputs["table"])
    correctness.write([measured.right], outputs["bits"])
    Path(partial).unlink(missing_ok=True)
    return precision | {"rows": {precision["ran"]: 1}}


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        wildcards = job.wildcards
        cell = {"kind": wildcards["kind"], "round": int(wildcards["round"]), "seed": int(wildcards["seed"])}
        precision = train_ticket(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            cell,
            job.options,
            job.stamp,
            job.provenance,
            snakemake.resources.images_per_batch,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, precision=precision)
