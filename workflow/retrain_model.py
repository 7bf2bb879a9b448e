"""Prune one network by one ranking and level, recover it without labels or retrain it, and test it."""

import contextlib
from pathlib import Path

import numpy as np
import pandas

from secateur import recovery
from secateur.artifacts import correctness, evaluation_table, provenance, tables
from secateur.evaluation import measuring
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, freezing
from secateur.retraining import kinds, networks, steps
from secateur.study import kinds as study_kinds
from secateur.study.levels import Terms
from secateur.training import loop

COLUMNS = ("step", *loop.COLUMNS)


def retrain_model(inputs, outputs, cell, options, stamp, provenance, images_per_batch):
    """`cell` is {"criterion", "level", "kind", "seed"}; `options["training"]` are the options of its kind.

    Returns the precision of the test.
    """
    device = devices.chosen(options["device"])
    dense = checkpoints.load(inputs["network"], device)
    model, described = dense.model, dense.description
    freezing.trainable(model, options["model"]["trainable"])
    ranking = tables.read(inputs["ranking"], "unit", "layer", "channel")
    with (
        store.opened(inputs["train"]) as train,
        store.opened(inputs["validation"]) as validation,
        store.opened(inputs["test"]) as test,
        _opened(inputs.get("calibration")) as calibration,
    ):
        for images in filter(None, (train, validation, test, calibration)):
            checkpoints.same_images(described, images, inputs["network"])
        precision = devices.precision(options.get("precision", "auto"), device, len(test))
        coupled = steps.followed(model, described)
        plans = steps.plans(ranking, cell["level"], options["steps"], Terms(**options["terms"]), coupled)
        widths = networks.widths(coupled, ranking, plans[-1], options["terms"]["budget"])
        facts = dense.facts | cell | {"provenance": provenance}
        if widths.constant:
            networks.save_nothing(outputs["network"], described, facts, plans[-1], widths.empty)
            history, measured = [], nothing_measured(test)
        else:
            partial = f"{outputs['network']}.partial"
            order = study_kinds.KINDS[cell["kind"]].order_of or cell["kind"]
            seed = recovery.seed_of(options["seed"], order, cell["seed"])
            drawn = recovery.seed_of(options["seed"], study_kinds.RECONSTRUCTED.name, cell["seed"])
            material = kinds.Material(train, validation, options["training"], seed, partial, stamp, calibration, drawn)
            smaller, history = kinds.KINDS[cell["kind"]](model, described, plans, material)
            measured = networks.measured(smaller, test, precision["ran"], images_per_batch)
            networks.save(outputs["network"], smaller, described, facts, plans[-1])
        tables.write(pandas.DataFrame(history, columns=loop.columns(history, COLUMNS)), outputs["history"])
        row = as_row(cell, options, widths, measured, test.classes)
        row.insert(row.columns.get_loc("kind") + 1, "trained_images", seen(cell["kind"], options, history, len(train)))
        tables.write(row, outputs["table"])
        correctness.write([measured.right], outputs["bits"])
    for partial in Path(outputs["network"]).parent.glob(f"{Path(outputs['network']).name}.partial*"):
        partial.unlink()
    return precision | {"rows": {precision["ran"]: 1}}


def _opened(path):
    """The images of a file for the length of a block, or None without a file."""
    return store.opened(path) if path else contextlib.nullcontext()


def nothing_measured(test):
    """A Measured without numbers for a network that gives all images the same logits, and so was not retrained."""
    by_class, right = np.full(len(test.classes), np.nan), np.zeros(len(test), dtype=bool)
    return measuring.Measured(float("nan"), float("nan"), by_class, right)


def seen(kind, options, history, images):
    """The count of training images behind a network's weights after the dense training, repeated ones each time."""
    schedule = options["training"]
    phase = schedule.get("gates", {}).get("training", {"epochs": 0})
    if study_kinds.KINDS[kind].trains == study_kinds.EPOCH.trains:
        return min(schedule["images"] or images, images)
    if not history:
        return images * phase["epochs"]
    taught = _unlabelled(schedule.get("start", {})) * options["steps"]
    if "steps" in schedule:
        return _unlabelled(schedule)
    return images * (phase["epochs"] + len(history)) + taught


def _unlabelled(schedule):
    """The count of images of a distillation, repeated ones each time; none where there is none."""
    return schedule.get("steps", 0) * schedule.get("batch_size", 0)


def as_row(cell, options, widths, measured, classes):
    """A table of one row, with the columns of an evaluation and `kind`."""
    level, terms = cell["level"], options["terms"]
    first = {"criterion": cell["criterion"], **evaluation_table.terms(terms), "level": level, "kind": cell["kind"]}
    return pandas.DataFrame([evaluation_table.row(first, widths, measured, classes)])


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        cell = {
            "criterion": job.wildcards["criterion"],
            "kind": job.wildcards["kind"],
            "level": job.options["level"],
            "seed": int(job.wildcards["seed"]),
        }
        precision = retrain_model(
            dict(snakemake.input.items()),
            dict(snakemake.output.items()),
            cell,
            job.options,
            job.stamp,
            job.provenance,
            snakemake.resources.images_per_batch,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, precision=precision)
