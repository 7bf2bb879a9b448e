"""Train one network, from its first weights to its best epoch by validation."""

from pathlib import Path

import pandas
import torch

from secateur import checkpoints, devices, images, jobs, models, seeds, tables, training


def train_model(train, validation, weights, outputs, options, seed, stamp, provenance):
    model, partial = options["model"], f"{outputs['trained']}.partial"
    with images.opened(train) as shown, images.opened(validation) as held_out:
        about = models.about(model, shown) | {"seed": seed, "provenance": provenance}
        torch.manual_seed(seeds.derived(options["seed"], "initial", seed))
        network = models.initialised(about, len(shown.classes), weights)
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
            job.options,
            seed=int(job.wildcards["seed"]),
            stamp=job.stamp,
            provenance=job.provenance,
        )
