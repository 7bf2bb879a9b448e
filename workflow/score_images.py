"""From a network's activations and gradients on images to one score for each channel that can be removed."""

from secateur import statistics
from secateur.artifacts import files, provenance, stamps, tables
from secateur.criteria import from_images, running_sums
from secateur.images import store
from secateur.jobs import devices, progress, script
from secateur.models import checkpoints


def score_images(checkpoint, split, units, table, score, most, images_per_batch, device, stamp):
    """Score on the first `most` images of the split, or on all; returns the split and their count."""
    network = checkpoints.load(checkpoint)
    device = devices.chosen(device)
    layers = list(dict.fromkeys(tables.read(units, "layer")["layer"]))
    with store.opened(split) as images:
        checkpoints.same_images(network.description, images, checkpoint)
        rows = store.chosen(images, most=most)
        # The sums of a killed job are continued only for the same network, images and batches.
        stamp = stamps.digest([stamp, files.digest(checkpoint), images.identity, images_per_batch, str(device)])
        sums = running_sums.Sums(f"{table}.partial", stamp)

        def batches():
            with progress.over(len(rows), "images", f"{score} on {images.split} images", sums.images) as bar:
                for _, pixels, labels in store.batches(images, images_per_batch, rows, sums.images):
                    yield pixels.to(device), labels.to(device)
                    bar.update(len(labels))

        scores = from_images.of_images(network.model.to(device), score, batches(), layers, sums)
        tables.write(statistics.of_scores(scores), table)
        sums.forget()
        return {"split": images.split, "images": len(rows)}


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        read = score_images(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.input.units,
            snakemake.output.table,
            score=job.wildcards["score"],
            most=job.options["images"],
            images_per_batch=snakemake.resources.images_per_batch,
            device=job.options["device"],
            stamp=job.stamp,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, read=read)
