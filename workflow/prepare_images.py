"""Divide the images of a study into train, rank, validation and test, and write each split as HDF5."""

from secateur.images import sources, splits, writing
from secateur.jobs import script
from secateur.study import vocabulary


def prepare_images(data, split, verified, paths, provenance):
    """Write one file for each of `paths`, {split: path}; `verified` is the manifest of a download, or None."""
    source = sources.opened(data, verified)
    writing.write(source, splits.divided(source, split), paths, data, provenance)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        prepare_images(
            job.options["data"],
            job.options["split"],
            snakemake.input.get("verified"),
            {name: snakemake.output[name] for name in vocabulary.SPLITS},
            job.provenance,
        )
