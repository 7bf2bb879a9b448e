"""From what a network does with images to one score for each channel that can be removed."""

from secateur import statistics
from secateur.artifacts import files, provenance, stamps, tables
from secateur.criteria import from_images, running_sums
from secateur.images import store
from secateur.jobs import devices, progress, script
from secateur.models import checkpoints


def score_images(checkpoint, split, units, table, score, most, images_per_batch, device, stamp):
    """Reads the first `most` images of the split, or all; gives back which and how many."""
    network = checkpoints.load(checkpoint)
    device = devices.chosen(device)
    layers = list(dict.fromkeys(tables.read(units, "layer")["layer"]))
    with store.opened(split) as shown:
        checkpoints.same_images(network.description, shown, checkpoint)
        rows = store.chosen(shown, most=most)
        # A killed job's sums are continued only for the very same network, images and batches.
        own = stamps.digest([stamp, files.digest(checkpoint), shown.identity, images_per_batch, str(device)])
        kept = running_sums.Sums(f"{table}.partial", own)

        def batches():
            with progress.over(len(rows), "images", f"{score} on {shown.split} images", kept.images) as bar:
                for _, pixels, labels in store.batches(shown, images_per_batch, rows, kept.images):
                    yield pixels.to(device), labels.to(device)
                    bar.update(len(labels))

        found = from_images.of_images(network.model.to(device), score, batches(), layers, kept)
        tables.write(statistics.of_scores(found), table)
        kept.forget()
        return {"split": shown.split, "images": len(rows)}


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
