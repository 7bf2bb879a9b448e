"""Divide the images of a study into train, rank, validation and test, and write each as HDF5."""

from secateur import images, jobs, sources


def prepare_images(data, split, verified, paths, provenance):
    source = sources.opened(data, verified)
    images.write(source, images.divided(source, split), paths, data, provenance)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        prepare_images(
            job.options["data"],
            job.options["split"],
            snakemake.input.get("verified"),
            {name: snakemake.output[name] for name in images.SPLITS},
            job.provenance,
        )
