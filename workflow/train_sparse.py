"""Train one network from its first weights to a share of zero weights, and test it."""

from pathlib import Path

import pandas

from secateur.artifacts import correctness, provenance, sparsity_table, tables
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, freezing
from secateur.retraining import networks
from secateur.sparsity import feather, remaining
from secateur.study import seeds
from secateur.study.levels import fraction
from secateur.training import loop, optimisation

COLUMNS = (*loop.COLUMNS, *feather.COLUMNS)


def train_sparse(inputs, outputs, cell, options, stamp, provenance, images_per_batch):
    """`cell` is {"variant", "level", "seed"}. Returns the precision of the test."""
    device = devices.chosen(options["device"])
    initial = checkpoints.load(inputs["network"], device)
    model, described = initial.model, initial.description
    freezing.trainable(model, options["model"]["trainable"])
    # The order of the images, and their augmentation, are those of the dense network.
    draws, partial = seeds.derived(options["seed"], "training", cell["seed"]), f"{outputs['network']}.partial"
    with (
        store.opened(inputs["train"]) as train,
        store.opened(inputs["validation"]) as validation,
        store.opened(inputs["test"]) as test,
    ):
        for images in (train, validation, test):
            checkpoints.same_images(described, images, inputs["network"])
        precision = devices.precision(options.get("precision", "auto"), device, len(test))
        schedule = options["training"]
        steps = loop.steps_of(len(train), schedule)
        sparse = feather.Feather(
            model, fraction(cell["level"]), options["variant"], steps, schedule["epochs"], seed=draws
        )
        hook = sparse.hook()
        history = loop.train(model, train, validation, schedule, draws, partial, stamp, hook)
        best = optimisation.best_of(filter(hook.may_keep, history), schedule["select"])
        facts = initial.facts | cell | {"provenance": provenance} | best
        checkpoints.save(outputs["network"], model, described, facts)
        saved = checkpoints.load(outputs["network"], device).model
        left = remaining.counted(saved, described.zeros(1, device))
        measured = networks.measured(saved, test, precision["ran"], images_per_batch)
        size, classes = sparsity_table.size_of(outputs["network"]), test.classes
    tables.write(pandas.DataFrame(history, columns=loop.columns(history, COLUMNS)), outputs["history"])
    named = {key: cell[key] for key in sparsity_table.CELL}
    row = sparsity_table.row(named, left, size, best["gradient_density"], measured, classes)
    tables.write(pandas.DataFrame([row]), outputs["table"])
    correctness.write([measured.right], outputs["bits"])
    Path(partial).unlink(missing_ok=True)
    return precision | {"rows": {precision["ran"]: 1}}


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        cell = {
            "variant": job.wildcards["variant"],
            "level": job.options["level"],
            "seed": int(job.wildcards["seed"]),
        }
        precision = train_sparse(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            cell,
            job.options,
            job.stamp,
            job.provenance,
            snakemake.resources.images_per_batch,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, precision=precision)
