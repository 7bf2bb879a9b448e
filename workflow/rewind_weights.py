"""Train a network again for the first epochs of its schedule, for the weights that tickets go back to."""

import logging
from pathlib import Path

import pandas

from secateur import Refused
from secateur.artifacts import tables
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, freezing
from secateur.study import seeds
from secateur.training import loop

# Differences of numbers in a history, as shares: tables round to nine digits, and other machines add in other orders.
ROUNDED, NEARLY = 1e-8, 0.01


def rewind_weights(inputs, output, options, seed, stamp, provenance):
    """The weights are those of the dense network after as many epochs, bit for bit: all draws are the same."""
    initial = checkpoints.load(inputs["network"], devices.chosen(options["device"]))
    freezing.trainable(initial.model, options["model"]["trainable"])
    partial, epochs = f"{output}.partial", range(1, options["rewind"] + 1)
    schedule = options["training"]
    draws = seeds.derived(options["seed"], "training", seed)
    with store.opened(inputs["train"]) as train, store.opened(inputs["validation"]) as validation:
        for images in (train, validation):
            checkpoints.same_images(initial.description, images, inputs["network"])
        history = loop.train(initial.model, train, validation, schedule, draws, partial, stamp, epochs=epochs)
    _refuse_another(history, inputs["history"])
    facts = initial.facts | {"provenance": provenance} | history[-1]
    checkpoints.save(output, initial.model, initial.description, facts)
    Path(partial).unlink(missing_ok=True)


def _refuse_another(history, path):
    """Refused for epochs that are not those of the dense network; logged where they are so but for rounding."""
    known = tables.read(path, *loop.COLUMNS).head(len(history))
    again = pandas.DataFrame(history)[list(known)]
    differing = float((again / known - 1).abs().max(axis=None))
    if differing > NEARLY:
        raise Refused(
            f"the first {len(history)} epochs come out otherwise than those in {path}, by {differing:.2g} of a number: "
            "tickets would go back to another network; train the dense network again, on the same kind of machine"
        )
    if differing > ROUNDED:
        logging.warning("these epochs repeat those in %s up to %.2g of a number, not to the bit", path, differing)


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        rewind_weights(
            dict(snakemake.input.items()),
            snakemake.output.network,
            job.options,
            int(job.wildcards["seed"]),
            job.stamp,
            job.provenance,
        )
