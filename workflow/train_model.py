"""Train one network from its first weights; the epoch kept is the best one by validation."""

from pathlib import Path

import pandas
import torch

from secateur import Refused
from secateur.artifacts import tables
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, description, first_weights, freezing
from secateur.study import seeds
from secateur.training import loop, optimisation


def _initialised(described, weights, given):
    """The network with its first weights; an error about a copied file names the file that the study gives."""
    try:
        return first_weights.initialised(described, weights)
    except Refused as error:
        if given is None:
            raise
        raise Refused(f"{error}. It is a copy of {given}") from error


def train_model(train, validation, weights, outputs, options, seed, stamp, provenance):
    model, partial = options["model"], f"{outputs['trained']}.partial"
    with store.opened(train) as images, store.opened(validation) as held_out:
        described = description.of_study(model, images)
        facts = {"seed": seed, "provenance": provenance}
        torch.manual_seed(seeds.derived(options["seed"], "initial", seed))
        network = _initialised(described, weights, options["given"])
        description.refuse_misfit(network, described)
        freezing.trainable(network, model["trainable"])
        checkpoints.save(outputs["initial"], network, described, facts | {"epoch": 0})
        network.to(devices.chosen(options["device"]))
        draws = seeds.derived(options["seed"], "training", seed)
        history = loop.train(network, images, held_out, options["training"], draws, partial, stamp)
    best = optimisation.best_of(history, options["training"]["select"])
    checkpoints.save(outputs["trained"], network, described, facts | best)
    tables.write(pandas.DataFrame(history, columns=loop.columns(history)), outputs["history"])
    Path(partial).unlink(missing_ok=True)


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        weights, given = snakemake.input.get("weights") or None, None
        if weights:
            given = snakemake.config["model"]["weights"]
        if job.options["model"]["weights"] == "imagenet":
            weights = "imagenet"
        train_model(
            snakemake.input.train,
            snakemake.input.validation,
            weights,
            dict(snakemake.output.items()),
            job.options | {"given": given},
            seed=int(job.wildcards["seed"]),
            stamp=job.stamp,
            provenance=job.provenance,
        )
