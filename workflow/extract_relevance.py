"""Compute the relevance of every channel for every image, and write it to HDF5."""

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
    """Write the relevance of one shard to `path`; `units_table` is None unless linear layers can be pruned."""
    network = checkpoints.load(checkpoint)
    device = devices.chosen(device)
    linear = ()
    if units_table:
        linear = finding.linear_layers(network.model, tables.read(units_table, "layer"))
    propagator = propagation.of_reading(network.model.to(device), reading, linear)
    with images_store.opened(split) as images:
        checkpoints.same_images(network.description, images, checkpoint)
        chosen = images_store.chosen(images, reading["classes"], reading["images"])
        first, last = images_store.shard(len(chosen), *shard, size=images_per_batch)
        rows = chosen[first:last]
        attributes = {
            "reading": reading,
            "provenance": record,
            "network": files.digest(checkpoint),
            "whole": propagator.whole,
            "without": propagator.layers_without(network.description.shape),
            "split": images.split,
            "classes": images.classes,
            "part": [first, last, len(chosen)],
        }
        columns = {"row": rows, "label": images.labels[rows]}
        # The partial file of a killed job is resumed only for the same network and images.
        stamp = stamps.digest([stamp, attributes["network"], images.identity, str(device)])

        def batches(start):
            return prefetch.ahead(_relevance(propagator, images, rows, start, reading, images_per_batch, device))

        relevance_store.write(path, batches, columns, stamp, attributes, until=reading["until"])


def _relevance(propagator, images, rows, start, reading, images_per_batch, device):
    """Relevance of `rows` from position `start` on, batch by batch, as the file stores it."""
    target, explained = _fixed_target(images, reading["target"]), reading["target"]
    ends = ()
    if reading["until"]:
        ends = stability.points(len(rows))
    batches = _pinned(images_store.batches(images, images_per_batch, rows, start, ends), device)
    with progress.over(len(rows), "images", f"relevance of {images.split} images", start) as bar:
        for pixels, labels in prefetch.ahead(batches):
            if explained == "label":
                target = labels.to(device, non_blocking=True)
            pixels = pixels.to(device, non_blocking=True)
            if explained == "all":
                yield _averaged(propagator.each_class(pixels), device)
            else:
                yield _stored(propagator(pixels, target), device)
            bar.update(len(labels))


def _pinned(batches, device):
    """Pixels and labels of each batch, for a GPU in pinned memory, which it copies from while it computes."""
    for _, pixels, labels in batches:
        if device.type == "cuda":
            pixels, labels = pixels.pin_memory(), labels.pin_memory()
        yield pixels, labels


def _fixed_target(images, target):
    """The class that is explained for all images; None where it is no single one."""
    if target in criteria_names.TARGETS:
        return None
    return images_store.class_id(images, target, criteria_names.TARGETS)


def _averaged(each, device):
    """Means over classes of one batch for the file, from its relevance of one class after the other."""
    return relevance_store.averaged(_stored(relevance, device) for relevance in each)


def _stored(relevance, device):
    """Arrays of one batch for the file; from a GPU, sums."""
    if device.type == "cpu":
        return _arrays(*relevance)
    return _summed(*relevance)


def _arrays(layers, targets, starts):
    return {name: _array(R) for name, R in layers.items()}, _array(targets), _array(starts)


def _array(values):
    # numpy has no bfloat16.
    if values.dtype == torch.bfloat16:
        values = values.float()
    return values.numpy()


def _summed(layers, targets, starts):
    """Sums in float64, computed on the device: one small transfer for a batch instead of all maps."""
    parts = [targets.double(), starts.double()]
    for R in layers.values():
        absolute = R.abs()
        parts += [
            R.sum((2, 3), dtype=torch.float64),
            absolute.sum((2, 3), dtype=torch.float64),
            R.sum(0, dtype=torch.float64),
            absolute.sum(0, dtype=torch.float64),
        ]
    flat = torch.cat(list(map(torch.flatten, parts))).cpu()
    arrays = []
    for values, part in zip(flat.split(list(map(torch.numel, parts))), parts, strict=True):
        arrays.append(values.view(part.shape).numpy())
    targets, starts = arrays[:2]
    sums = {}
    for place, name in enumerate(layers):
        sums[name] = relevance_store.Sums(*arrays[2 + 4 * place : 6 + 4 * place])
    return sums, targets.astype(int), starts


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
