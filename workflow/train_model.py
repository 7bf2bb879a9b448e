"""Train one network, from its first weights to its best epoch by validation."""

from pathlib import Path

import pandas
import torch

from secateur import checkpoints, devices, images, jobs, models, seeds, tables, training


def _initialised(about, classes, weights, given):
    """The network with its first weights; an error on a copy names the file that was given."""
    try:
        return models.initialised(about, classes, weights)
    except ValueError as error:
        if given is None:
            raise
        raise ValueError(f"{error}. It is a copy of {given}") from error


def train_model(train, validation, weights, outputs, options, seed, stamp, provenance):
    model, partial = options["model"], f"{outputs['trained']}.partial"
    with images.opened(train) as shown, images.opened(validation) as held_out:
        about = models.about(model, shown) | {"seed": seed, "provenance": provenance}
        torch.manual_seed(seeds.derived(options["seed"], "initial", seed))
        network = _initialised(about, len(shown.classes), weights, options["given"])
        models.refuse_misfit(network, about)
        models.trainable(network, model["trainable"])
        checkpoints.save(outputs["initial"], network, about | {"epoch": 0})
        network.to(devices.chosen(options["device"]))
        draws = seeds.derived(options["seed"], "training", seed)
        history = training.train(network, shown, held_out, options["training"], draws, partial, stamp)
    best = training.best_of(history, options["training"]["select"])
    checkpoints.save(outputs["trained"], network, about | best)
    tables.write(pandas.DataFrame(history, columns=training.COLUMNS), outputs["history"])
    Path(partial).unlink(missing_ok=True)


if "snakemake" in globals():
    with jobs.job(snakemake) as job, devices.threads(job.options["threads"]):
        imagenet = job.options["model"]["weights"] == "imagenet"
        train_model(
            snakemake.input.train,
            snakemake.input.validation,
            "imagenet" if imagenet else snakemake.input.get("weights") or None,
            dict(snakemake.output.items()),
            job.options | {"given": snakemake.config["model"]["weights"] if snakemake.input.get("weights") else None},
            seed=int(job.wildcards["seed"]),
            stamp=job.stamp,
            provenance=job.provenance,
        )
