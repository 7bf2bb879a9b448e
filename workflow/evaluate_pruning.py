"""Remove channels in the order of one ranking, level by level, and measure what is left."""

import h5py
import numpy as np
import pandas

from secateur import checkpoints, curves, devices, files, images, jobs, progress, provenance, tables


def evaluate_pruning(checkpoint, split, ranking, table, bits, levels, images_per_batch, device):
    model, about = checkpoints.load(checkpoint)
    device = devices.chosen(device)
    ranking = tables.read(ranking, "unit", "layer", "channel")
    with images.opened(split) as shown:
        checkpoints.same_images(about, shown, checkpoint)

        def batches():
            for _, pixels, labels in images.batches(shown, images_per_batch):
                yield pixels.to(device), labels.to(device)

        check = shown.normalised(slice(0, 32)).to(device)
        with progress.over(len(levels), "levels", "evaluation") as bar:
            points = []
            for point in curves.points(model.to(device), ranking, levels, batches, shown.labels[:], check):
                points.append(point)
                bar.update(1)
        tables.write(as_table(points, shown.classes), table)
    write_bits(points, bits)
    return {str(point.level): point.deviation for point in points}


def as_table(points, classes):
    """One row for each level; `empty` names layers without channels, `removed.*` are shares of a layer's channels."""
    return pandas.DataFrame(
        {
            "level": point.level,
            "images": len(point.measured.right),
            "units": point.units,
            "realised": point.realised,
            "parameters": point.cost.parameters,
            "macs": point.cost.macs,
            "loss": point.measured.loss,
            "accuracy": point.measured.accuracy,
            "empty": " ".join(point.empty),
            **{f"accuracy.{name}": value for name, value in zip(classes, point.measured.by_class, strict=True)},
            **{f"removed.{layer}": share for layer, share in point.removed.items()},
        }
        for point in points
    )


def write_bits(points, path):
    """One bit for each level and test image: right or wrong, eight to a byte."""
    right = np.stack([point.measured.right for point in points])
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["right"] = np.packbits(right, axis=1)
        file["level"] = [point.level for point in points]
        file.attrs["images"] = right.shape[1]


if "snakemake" in globals():
    with jobs.job(snakemake) as job, devices.threads(job.options["threads"]):
        deviations = evaluate_pruning(
            snakemake.input.network,
            snakemake.input.images,
            snakemake.input.ranking,
            snakemake.output.table,
            snakemake.output.bits,
            levels=job.options["levels"],
            images_per_batch=snakemake.resources.images_per_batch,
            device=job.options["device"],
        )
        provenance.write(snakemake.output.manifest, **job.provenance, removed_against_masked=deviations)
