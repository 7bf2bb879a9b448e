"""Read the relevance of every channel, image by image, into HDF5."""

import logging

import torch

from secateur.artifacts import files, stamps, tables
from secateur.images import store as images_store
from secateur.jobs import devices, prefetch, progress, script
from secateur.models import checkpoints
from secateur.relevance import propagation, stability
from secateur.relevance import store as relevance_store
from secateur.study import biases, criteria_names
from secateur.units import finding


def extract_relevance(checkpoint, split, units_table, path, reading, shard, images_per_batch, device, stamp, record):
    """`units_table` is None unless features of linear layers can be removed."""
    network = checkpoints.load(checkpoint)
    device = devices.chosen(device)
    linear = finding.linear_layers(network.model, tables.read(units_table, "layer")) if units_table else ()
    propagator = propagation.of_reading(network.model.to(device), reading, linear)
    with images_store.opened(split) as shown:
        checkpoints.same_images(network.description, shown, checkpoint)
        chosen = images_store.chosen(shown, reading["classes"], reading["images"])
        first, last = images_store.shard(len(chosen), *shard, images_per_batch)
        rows = chosen[first:last]
        ends = stability.points(len(rows)) if reading["until"] else ()
        one = _one_for_all(shown, reading["target"])

        def batches(start):
            coming = prefetch.ahead(_pinned(images_store.batches(shown, images_per_batch, rows, start, ends), device))
            with progress.over(len(rows), "images", f"relevance of {shown.split} images", start) as bar:
                for pixels, labels in coming:
                    target = labels.to(device, non_blocking=True) if reading["target"] == "label" else one
                    yield _kept(propagator(pixels.to(device, non_blocking=True), target), device)
                    bar.update(len(labels))

        columns = {"row": rows, "label": shown.labels[rows]}
        attributes = {"reading": reading, "split": shown.split, "classes": shown.classes, "provenance": record}
        attributes |= {"whole": propagator.whole, "network": files.digest(checkpoint)}
        attributes |= {"without": propagator.layers_without(network.description.shape)}
        # A killed job's file is continued only for the very same network and images.
        own = stamps.digest([stamp, attributes["network"], shown.identity, str(device)])
        relevance_store.write(
            path,
            lambda start: prefetch.ahead(batches(start)),
            columns,
            own,
            attributes | {"part": [first, last, len(chosen)]},
            until=reading["until"],
        )


def _pinned(batches, device):
    """Pixels and labels of each batch, for a GPU in memory from which it copies while it computes."""
    for _, *batch in batches:
        yield [tensor.pin_memory() for tensor in batch] if device.type == "cuda" else batch


def _one_for_all(shown, target):
    """What the propagator takes as target where that is the same for every image."""
    known = criteria_names.TARGETS
    return known[target] if target in known else images_store.class_id(shown, target, known)


def _kept(found, device):
    """What the file keeps of a batch, or the means over classes where there is one answer after the other."""
    kept = _arrays if device.type == "cpu" else _summed
    return kept(*found) if isinstance(found, tuple) else relevance_store.averaged(kept(*one) for one in found)


def _arrays(layers, targets, starts):
    return {name: _array(R) for name, R in layers.items()}, _array(targets), _array(starts)


def _array(values):
    """numpy has no bfloat16."""
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _summed(layers, targets, starts):
    """The same as sums, made where relevance lies: one small transfer for a batch instead of all maps."""
    double = {"dtype": torch.float64}
    parts = [targets.double(), starts.double()]
    for R in layers.values():
        parts += [part.sum(axes, **double) for axes in ((2, 3), 0) for part in (R, R.abs())]
    whole = torch.cat([part.flatten() for part in parts]).cpu().split([part.numel() for part in parts])
    targets, starts, *sums = (one.view(part.shape).numpy() for one, part in zip(whole, parts, strict=True))
    each = {name: relevance_store.Sums(*sums[4 * i : 4 * i + 4]) for i, name in enumerate(layers)}
    return each, targets.astype(int), starts


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        if warning := biases.warning(job.wildcards["reading"], job.options["reading"]):
            logging.warning(warning)
        extract_relevance(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.input.units,
            snakemake.output.relevance,
            reading=job.options["reading"],
            shard=(int(job.wildcards.get("shard", 0)), int(job.wildcards.get("shards", 1))),
            images_per_batch=snakemake.resources.images_per_batch,
            device=job.options["device"],
            stamp=job.stamp,
            record=job.provenance,
        )
