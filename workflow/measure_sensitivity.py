"""Measure what a network loses with the units of one group of layers at a time, in the order of a ranking."""

import contextlib
import time

import numpy as np
import pandas
import torch

from secateur import Refused, recovery
from secateur.artifacts import files, provenance, tables
from secateur.images import store as images_store
from secateur.jobs import devices, progress, script
from secateur.models import checkpoints
from secateur.pruning import layer_sensitivity, plan_cache, sweep
from secateur.study import kinds, seeds

# Images on which the smaller network is compared with the masked one.
CHECKED = 8


def measure_sensitivity(checkpoint, split, ranking, table, folder, options, images_per_batch, recovering, seed):
    """`folder` caches results of plans, `recovering` is {split: file} of the images that the recovery reads.

    Returns facts for the manifest: the count of networks, of those that this run measured and did not find in the
    cache, of images, and the CPU seconds of this run.
    """
    started = time.process_time()
    dense = checkpoints.load(checkpoint)
    device = devices.chosen(options["device"])
    ranking = tables.read(ranking, "unit", "layer", "channel")
    draw = recovery.Draw(options["seed"], seed)
    with contextlib.ExitStack() as stack:
        images = stack.enter_context(images_store.opened(split))
        by_split = {name: stack.enter_context(images_store.opened(path)) for name, path in recovering.items()}
        for opened in (images, *by_split.values()):
            checkpoints.same_images(dense.description, opened, checkpoint)
        rows = measured_rows(images, by_split, options, draw)
        precision = devices.precision(options.get("precision", "auto"), device, len(rows))
        context = plan_cache.context(
            options,
            network=files.digest(checkpoint),
            images=images.identity,
            rows=rows.tolist(),
            images_per_batch=images_per_batch,
            device=device.type,
        )
        labels = images.labels[rows]
        store = plan_cache.Store(folder, context, labels, len(images.classes), precision["ran"])

        def batches():
            for _, pixels, answers in images_store.batches(images, images_per_batch, rows):
                yield pixels.to(device), answers.to(device)

        model = dense.model.to(device)
        treatments = recovery.treatments(model, by_split, options["recoveries"], draw)
        check = images.normalised(rows[:CHECKED]).to(device)
        network = sweep.Network(model, batches, labels, check, precision["ran"], store, treatments)
        name = next(iter(treatments), kinds.NONE.name)
        sizes = [len(group.units) for group in layer_sensitivity.of_several(ranking)]
        count = layer_sensitivity.evaluations(sizes, options["steps"])
        measured = []
        with progress.over(count, "networks", "sensitivity") as bar:
            for row in layer_sensitivity.curves(network, ranking, options["steps"], name):
                measured.append(row)
                bar.update(1)
        tables.write(pandas.DataFrame(measured), table)
    return {
        "recovery": name,
        "networks": count,
        "measured_now": store.written,
        "images": len(rows),
        "cpu_seconds": round(time.process_time() - started, 1),
        "precision": precision | {"rows": dict(store.rows)},
    }


def measured_rows(images, by_split, options, draw):
    """(N,) the rows of the images that measure, ascending: none of those that calibrate the recovery."""
    free = np.ones(len(images), bool)
    for name, chosen in options["recoveries"].items():
        if chosen.get("split") == options["split"]:
            free[recovery.calibrating(recovery.material(name, by_split, chosen, draw))] = False
    if free.sum() < 2:
        raise Refused(
            f"all {len(images)} images of the split {options['split']} calibrate the recovery, and none is left to "
            "measure sensitivity; set recovery.images lower, or sensitivity.split to the other split"
        )
    generator = seeds.torch_generator(draw.study, "sensitivity", draw.network)
    order = np.flatnonzero(free)[torch.randperm(int(free.sum()), generator=generator).numpy()]
    return np.sort(order[: options["images"]])


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        versions = {"code": snakemake.params.code, "torch": job.provenance["versions"]["torch"]}
        measured = measure_sensitivity(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.input.ranking,
            snakemake.output.table,
            snakemake.params.plans,
            {**job.options, **versions},
            snakemake.resources.images_per_batch,
            recovery.files(snakemake.input),
            int(job.wildcards["seed"]),
        )
        provenance.write(snakemake.output.manifest, **job.provenance, measured=measured)
