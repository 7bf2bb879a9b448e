"""Read the relevance of every channel, image by image, into HDF5."""

from secateur import checkpoints, devices, files, images, jobs, progress, provenance, relevance, relevance_store


def extract_relevance(checkpoint, split, path, reading, images_per_batch, device, stamp, record):
    model, about = checkpoints.load(checkpoint)
    device = devices.chosen(device)
    propagator = relevance.Propagator(
        model.to(device), rule=reading["rule"], at=reading["at"], bias=reading["bias"], pool=reading["pool"]
    )
    with images.opened(split) as shown:
        checkpoints.same_images(about, shown, checkpoint)
        total = min(reading["images"] or len(shown), len(shown))
        bar = progress.over(total, "images", f"relevance of {shown.split} images")

        def batches(start):
            bar.update(start)
            for _, pixels, labels in images.batches(shown, images_per_batch, limit=total, start=start):
                true = labels.to(device) if reading["target"] == "label" else None
                layers, targets = propagator(pixels.to(device), true)
                yield {name: R.cpu().numpy() for name, R in layers.items()}, targets.cpu().numpy()
                bar.update(len(labels))

        with bar:
            attributes = {"reading": reading, "split": shown.split, "images": total, "provenance": record}
            # A killed job's file is continued only for the very same network and images.
            own = provenance.digest([stamp, files.digest(checkpoint), shown.identity, str(device)])
            relevance_store.write(path, batches, total, own, attributes)


if "snakemake" in globals():
    with jobs.job(snakemake) as job, devices.threads(job.options["threads"]):
        extract_relevance(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.output.relevance,
            reading=job.options["reading"],
            images_per_batch=snakemake.resources.images_per_batch,
            device=job.options["device"],
            stamp=job.stamp,
            record=job.provenance,
        )
