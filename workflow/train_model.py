"""Train one network, from its first weights to its best epoch by validation."""

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
    """The network with its first weights; an error on a copy names the file that was given."""
    try:
        return first_weights.initialised(described, weights)
    except Refused as error:
        if given is None:
            raise
        raise Refused(f"{error}. It is a copy of {given}") from error


def train_model(train, validation, weights, outputs, options, seed, stamp, provenance):
    model, partial = options["model"], f"{outputs['trained']}.partial"
    with store.opened(train) as shown, store.opened(validation) as held_out:
        described = description.of_study(model, shown)
        facts = {"seed": seed, "provenance": provenance}
        torch.manual_seed(seeds.derived(options["seed"], "initial", seed))
        network = _initialised(described, weights, options["given"])
        description.refuse_misfit(network, described)
        freezing.trainable(network, model["trainable"])
        checkpoints.save(outputs["initial"], network, described, facts | {"epoch": 0})
        network.to(devices.chosen(options["device"]))
        draws = seeds.derived(options["seed"], "training", seed)
        history = loop.train(network, shown, held_out, options["training"], draws, partial, stamp)
    best = optimisation.best_of(history, options["training"]["select"])
    checkpoints.save(outputs["trained"], network, described, facts | best)
    tables.write(pandas.DataFrame(history, columns=loop.COLUMNS), outputs["history"])
    Path(partial).unlink(missing_ok=True)


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
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
