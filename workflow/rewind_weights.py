"""Train a network again for the first epochs of its schedule, for the weights that tickets go back to."""

from pathlib import Path

from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, freezing
from secateur.study import seeds
from secateur.training import loop


def rewind_weights(inputs, output, options, seed, stamp, provenance):
    """The weights are those of the dense network after as many epochs, bit for bit: all draws are the same."""
    initial = checkpoints.load(inputs["network"], devices.chosen(options["device"]))
    freezing.trainable(initial.model, options["model"]["trainable"])
    partial, epochs = f"{output}.partial", range(1, options["rewind"] + 1)
    # The last of these epochs, whatever validation says of it.
    schedule = options["training"] | {"select": "last"}
    draws = seeds.derived(options["seed"], "training", seed)
    with store.opened(inputs["train"]) as train, store.opened(inputs["validation"]) as validation:
        for images in (train, validation):
            checkpoints.same_images(initial.description, images, inputs["network"])
        history = loop.train(initial.model, train, validation, schedule, draws, partial, stamp, epochs=epochs)
    facts = initial.facts | {"provenance": provenance} | history[-1]
    checkpoints.save(output, initial.model, initial.description, facts)
    Path(partial).unlink(missing_ok=True)


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
