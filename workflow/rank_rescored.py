"""Rank units in steps: a part is removed, the network recovers, and what is left is scored on it."""

import contextlib
import logging
import time
from fractions import Fraction

import numpy as np

from secateur import ranking, recovery, statistics
from secateur.artifacts import provenance, tables
from secateur.criteria import from_images, from_weights
from secateur.graph import modes, tracing
from secateur.images import store as images_store
from secateur.jobs import devices, script
from secateur.models import checkpoints
from secateur.pruning import groups, removal, rescoring
from secateur.relevance import means, propagation
from secateur.study import criteria_names, levels
from secateur.study.levels import Terms
from secateur.units import coupling, finding


def rank_rescored(checkpoint, split, units, table, options, images_per_batch, recovering, seed):
    """Write the ranking to `table`, and return the CPU seconds that it took.

    `recovering` is {split: file} of the images that the recovery reads, `seed` that of the network's training.
    """
    started = time.process_time()
    dense, units = checkpoints.load(checkpoint), tables.read(units, *ranking.UNITS)
    device = devices.chosen(options["device"])
    model = dense.model.to(device)
    draw = recovery.Draw(options["seed"], seed)
    with contextlib.ExitStack() as stack:
        images = stack.enter_context(images_store.opened(split))
        by_split = {name: stack.enter_context(images_store.opened(path)) for name, path in recovering.items()}
        for opened in (images, *by_split.values()):
            checkpoints.same_images(dense.description, opened, checkpoint)
        example = dense.description.zeros(2, device)
        coupled = coupling.followed(model, example)
        ranked = rescoring.rescored(
            model,
            units,
            coupled,
            scorer(images, units, options, images_per_batch, device),
            levels_of(options),
            recoverer(model, example, by_split, options, draw),
            Terms(**options["terms"]),
            options["comparison"],
        )
        tables.write(ranked, table)
    return {"cpu_seconds": round(time.process_time() - started, 1)}


def levels_of(options):
    """The levels of the steps: equal shares of the highest one, in exact fractions."""
    count = options["steps"]
    return [levels.fraction(options["level"]) * Fraction(step, count) for step in range(1, count + 1)]


def scorer(images, units, options, images_per_batch, device):
    """The function that scores the channels of a network, {layer: (C,)}, by images of one split."""
    layers = list(dict.fromkeys(units["layer"]))

    def batches(rows):
        for _, pixels, labels in images_store.batches(images, images_per_batch, rows):
            yield pixels.to(device), labels.to(device)

    def scored(network):
        called = {node.target for node in tracing.traced(network).graph.nodes if node.op == "call_module"}
        present = [layer for layer in layers if layer in called]
        logging.info("scoring %d of %d layers", len(present), len(layers))
        if "reading" in options:
            return of_reading(network, images, options, batches, units, present)
        if options["score"] in from_weights.OF_WEIGHTS:
            return from_weights.of_weights(network, options["score"], present)
        rows = images_store.chosen(images, most=options["images"])
        return from_images.of_images(network, options["score"], batches(rows), present)

    return scored


def of_reading(network, images, options, batches, units, layers):
    """{layer: (C,)} one statistic of the relevance of a network's channels in `layers`, by a reading of the study.

    Channels of layers that only gate others have none.
    """
    reading = options["reading"]
    linear = finding.linear_layers(network, units)
    rows = images_store.chosen(images, reading["classes"], reading["images"])
    with modes.evaluating(network):
        propagator = propagation.of_reading(network, reading, linear)
        maps = means.of_batches(propagator, batches(rows), _target(images, reading["target"]))
    table = statistics.of_relevance(maps, reading["absolute"], reading["reduce"])
    found = {layer: part[options["statistic"]].to_numpy() for layer, part in table.groupby("layer", sort=False)}
    widths = {layer: len(network.get_submodule(layer).weight) for layer in layers}
    return {layer: found.get(layer, np.full(width, np.nan)) for layer, width in widths.items()}


def _target(images, target):
    """The class that is explained of every image: one of TARGETS, or its id."""
    if target in criteria_names.TARGETS:
        return target
    return images_store.class_id(images, target, criteria_names.TARGETS)


def recoverer(model, example, by_split, options, draw):
    """The function that makes a smaller network and recovers it, against the dense one or that of the step before."""

    def recover(smaller, channels):
        larger, gone = model, channels
        if options["against"] == "before":
            larger, gone = smaller.network, groups.further(smaller.channels, channels)
        coupled = coupling.followed(larger, example)
        # Channels of an empty branch are no longer there.
        gone = {layer: indices for layer, indices in gone.items() if layer in coupled.listed}
        narrowed = removal.narrowed(larger, gone, coupled).eval()
        for treatment in recovery.treatments(larger, by_split, options["recoveries"], draw).values():
            treatment.apply(narrowed, gone)
        return narrowed

    return recover


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        facts = rank_rescored(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.input.units,
            snakemake.output.table,
            job.options,
            snakemake.resources.images_per_batch,
            recovery.files(snakemake.input),
            int(job.wildcards["seed"]),
        )
        provenance.write(snakemake.output.manifest, **job.provenance, rescored=facts)
