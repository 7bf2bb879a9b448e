"""Remove units in the order of each ranking of a family, level by level, and evaluate the smaller networks."""

import contextlib
import itertools

import pandas

from secateur import recovery
from secateur.artifacts import correctness, evaluation_table, files, provenance, tables
from secateur.images import store as images_store
from secateur.jobs import devices, progress, script
from secateur.models import checkpoints
from secateur.pruning import plan_cache, sweep
from secateur.study.levels import Terms

# Images on which the smaller network is compared with the masked one.
CHECKED = 8


def evaluate_pruning(
    checkpoint, split, rankings, table, right, folder, options, images_per_batch, recovering=None, seed=None
):
    """`rankings` is {criterion: file}; `folder` caches results of plans. Returns facts for the manifest.

    `recovering` is {split: file} of the images that recoveries read, and `seed` that of the network's training.
    """
    dense = checkpoints.load(checkpoint)
    device = devices.chosen(options["device"])
    rankings = {name: tables.read(path, "unit", "layer", "channel") for name, path in rankings.items()}
    with contextlib.ExitStack() as stack:
        images = stack.enter_context(images_store.opened(split))
        by_split = {name: stack.enter_context(images_store.opened(path)) for name, path in (recovering or {}).items()}
        checkpoints.same_images(dense.description, images, checkpoint)
        precision = devices.precision(options.get("precision", "auto"), device, len(images))

        def batches():
            for _, pixels, labels in images_store.batches(images, images_per_batch):
                yield pixels.to(device), labels.to(device)

        context = plan_cache.context(
            options,
            network=files.digest(checkpoint),
            images=images.identity,
            images_per_batch=images_per_batch,
            device=device.type,
        )
        store = plan_cache.Store(folder, context, images.labels, len(images.classes), precision["ran"])
        check = images.normalised(slice(0, CHECKED)).to(device)
        model = dense.model.to(device)
        for others in by_split.values():
            checkpoints.same_images(dense.description, others, checkpoint)
        recoveries = options.get("recoveries", {})
        treatments = recovery.treatments(model, by_split, recoveries, recovery.Draw(options.get("seed"), seed))
        network = sweep.Network(model, batches, images.labels, check, precision["ran"], store, treatments)
        points, rows = [], []
        total = len(rankings) * len(options["terms"]) * len(options["levels"]) * len(network.treatments)
        with progress.over(total, "levels", "evaluation") as bar:
            for criterion, terms in itertools.product(rankings, options["terms"]):
                for point in network.points(rankings[criterion], options["levels"], Terms(**terms)):
                    points.append(point)
                    rows.append(as_row(criterion, terms, point, images.classes))
                    bar.update(1)
        tables.write(pandas.DataFrame(rows), table)
    losses = [point.measured.losses for point in points]
    correctness.write([point.measured.right for point in points], right, losses)
    deviations = [point.deviation for point in points if point.deviation is not None]
    return {
        "removed_against_masked": {
            "images": len(check),
            "levels": len(deviations),
            "largest": max(deviations, default=None),
        },
        "precision": precision | {"rows": dict(store.rows)},
    }


def as_row(criterion, terms, point, classes):
    """One level after one recovery; `removed.*` are shares of a layer's channels."""
    cell = {"criterion": criterion, "recovery": point.recovery, **evaluation_table.terms(terms), "level": point.level}
    row = evaluation_table.row(cell, point, point.measured, classes)
    for layer, share in point.removed.items():
        row[f"{evaluation_table.OF_LAYER}{layer}"] = share
    return row


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        versions = {"code": snakemake.params.code, "torch": job.provenance["versions"]["torch"]}
        facts = evaluate_pruning(
            snakemake.input.network,
            snakemake.input.images,
            dict(zip(job.options["criteria"], snakemake.input.rankings, strict=True)),
            snakemake.output.table,
            snakemake.output.bits,
            snakemake.params.plans,
            {**job.options, **versions},
            snakemake.resources.images_per_batch,
            recovery.files(snakemake.input),
            int(job.wildcards["seed"]),
        )
        provenance.write(snakemake.output.manifest, **job.provenance, **facts)
