"""Compare the relevance at the input before and after pruning, at the level and of the criteria of the answer."""

import dataclasses

import numpy as np

from secateur.analysis import answer, averages
from secateur.analysis.results import Results
from secateur.artifacts import evaluation_table, files, provenance, tables
from secateur.images import store
from secateur.jobs import devices, progress, script
from secateur.models import checkpoints
from secateur.pruning import looked_at, plans
from secateur.relevance import comparison, examples
from secateur.study import seeds
from secateur.study.levels import Terms
from secateur.units import coupling

# Images on which networks are tried.
TRIED = 2


def compare_relevance(checkpoint, split, evaluations, rankings, path, options, images_per_batch):
    """Write the comparison of one network; `rankings` is {criterion: file}. Returns facts for the manifest."""
    network, device = checkpoints.load(checkpoint), devices.chosen(options["device"])
    table = tables.read(evaluations, "seed", "split", *averages.NEEDED)
    # What is left of each layer takes most of the table, and nothing here asks for it.
    results = Results(table.drop(columns=evaluation_table.of_layers(table)), {})
    _, picked = answer.of_study(results, options["families"], options["choose_on"], options["statistic"])
    orders = {}
    for name in answer.looked_at(results, picked):
        orders[name] = tables.read(rankings[name], "unit", "layer", "channel")
    with store.opened(split) as images:
        checkpoints.same_images(network.description, images, checkpoint)
        generator = seeds.numpy_generator(options["seed"], "images of which relevance is compared")
        rows = examples.drawn(len(images), options["images"], generator)
        example, model = images.normalised(rows[:TRIED]).to(device), network.model.to(device)
        coupled = coupling.followed(model, example)
        chosen = {}
        for name, order in orders.items():
            chosen[name] = plans.plan(order, picked.level, Terms(**options["terms"]), coupled)
        batches = _batches(images, rows, images_per_batch, device)
        first = next(iter(orders.values()))
        looked = looked_at.compared(model, chosen, options["reading"], batches, example, options["shown"], first)
        about = {
            "criteria": list(orders),
            "level": float(picked.level),
            "constant": looked.constant,
            "refused": looked.refused,
            "channels": _peaks(looked),
            "classes": images.classes,
            "split_images": len(images),
            "shown": options["shown"],
            "reading": {"name": options["name"], **options["reading"]},
            "network": files.digest(checkpoint),
        }
        comparison.write(path, _compared(images, rows, looked, about))
    return {key: about[key] for key in ("criteria", "level", "constant", "refused")} | {"images": len(rows)}


def _batches(images, rows, size, device):
    with progress.over(len(rows), "images", f"relevance at the input of {images.split} images") as bar:
        for _, pixels, labels in store.batches(images, size, rows):
            yield pixels.to(device), labels.to(device)
            bar.update(len(labels))


def _peaks(looked):
    """Facts of each patch: its channel, and the highest relevance there, which is not positive in some."""
    return [
        {"layer": layer, "channel": channel, "relevance": looked.found.peaks[layer, channel].value}
        for layer, channel in looked.channels
    ]


def _compared(images, rows, looked, about):
    found = looked.found
    by = examples.factor(*images.pixels.shape[-2:])
    patches = []
    for peak in map(found.peaks.__getitem__, looked.channels):
        patch = examples.patch(np.asarray(images.pixels[rows[peak.image : peak.image + 1]])[0], peak.row, peak.column)
        patches.append(examples.averaged(patch, by))
    arrays = {field.name: getattr(found, field.name) for field in dataclasses.fields(found) if field.name != "peaks"}
    arrays["relevance"] = examples.summed(found.relevance, by)
    return comparison.Comparison(
        about | {"factor": by},
        row=rows,
        pixels=examples.averaged(np.asarray(images.pixels[rows[found.shown]]), by),
        patches=np.stack(patches) if patches else np.empty((0, 0, 0, 0), np.uint8),
        **arrays,
    )


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        facts = compare_relevance(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.input.evaluations,
            dict(zip(job.options["criteria"], snakemake.input.rankings, strict=True)),
            snakemake.output.comparison,
            job.options,
            snakemake.resources.images_per_batch,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, **facts)
