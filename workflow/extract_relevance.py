"""Read the relevance of every channel, image by image, into HDF5."""

import torch

from secateur import (
    checkpoints,
    devices,
    files,
    images,
    jobs,
    overlap,
    progress,
    provenance,
    relevance,
    relevance_store,
    stability,
)

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def extract_relevance(checkpoint, split, path, reading, shard, images_per_batch, device, stamp, record):
    model, about = checkpoints.load(checkpoint)
    device = devices.chosen(device)
    settings = {key: reading[key] for key in ("rule", "at", "bias", "pool", "seed")}
    propagator = relevance.Propagator(model.to(device), dtype=PRECISIONS[reading["precision"]], **settings)
    with images.opened(split) as shown:
        checkpoints.same_images(about, shown, checkpoint)
        chosen = images.chosen(shown, reading["classes"], reading["images"])
        first, last = images.shard(len(chosen), *shard, images_per_batch)
        rows = chosen[first:last]
        ends = stability.points(len(rows)) if reading["until"] else ()

        def batches(start):
            coming = overlap.ahead(images.batches(shown, images_per_batch, rows, start, ends))
            with progress.over(len(rows), "images", f"relevance of {shown.split} images", start) as bar:
                for _, pixels, labels in coming:
                    true = labels.to(device) if reading["target"] == "label" else None
                    layers, targets = propagator(pixels.to(device), true)
                    yield {name: _array(R) for name, R in layers.items()}, targets.cpu().numpy()
                    bar.update(len(labels))

        columns = {"row": rows, "label": shown.labels[rows]}
        attributes = {"reading": reading, "split": shown.split, "classes": shown.classes, "provenance": record}
        # A killed job's file is continued only for the very same network and images.
        own = provenance.digest([stamp, files.digest(checkpoint), shown.identity, str(device)])
        relevance_store.write(
            path,
            lambda start: overlap.ahead(batches(start)),
            columns,
            own,
            attributes | {"part": [first, last, len(chosen)]},
            until=reading["until"],
        )


def _array(R):
    """numpy has no bfloat16."""
    return (R.float() if R.dtype == torch.bfloat16 else R).cpu().numpy()


if "snakemake" in globals():
    with jobs.job(snakemake) as job, devices.threads(job.options["threads"]):
        extract_relevance(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.output.relevance,
            reading=job.options["reading"],
            shard=(int(job.wildcards.get("shard", 0)), int(job.wildcards.get("shards", 1))),
            images_per_batch=snakemake.resources.images_per_batch,
            device=job.options["device"],
            stamp=job.stamp,
            record=job.provenance,
        )
