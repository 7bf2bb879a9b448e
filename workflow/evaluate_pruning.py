"""Remove channels in the order of each ranking of a family, level by level, and measure what is left."""

import pandas

from secateur.artifacts import correctness, evaluation_table, files, provenance, tables
from secateur.images import store as images_store
from secateur.jobs import devices, progress, script
from secateur.models import checkpoints
from secateur.pruning import plan_cache, sweep
from secateur.study.levels import Terms

# So many images tell whether removing channels does what silencing them does.
CHECKED = 8


def evaluate_pruning(checkpoint, split, rankings, table, right, folder, options, images_per_batch):
    """`rankings` is {criterion: file}; `folder` keeps what plans measured. Gives back facts for the manifest."""
    dense = checkpoints.load(checkpoint)
    device = devices.chosen(options["device"])
    rankings = {name: tables.read(path, "unit", "layer", "channel") for name, path in rankings.items()}
    with images_store.opened(split) as shown:
        checkpoints.same_images(dense.description, shown, checkpoint)
        precision = devices.precision(options.get("precision", "auto"), device, len(shown))

        def batches():
            for _, pixels, labels in images_store.batches(shown, images_per_batch):
                yield pixels.to(device), labels.to(device)

        context = {
            "network": files.digest(checkpoint),
            "images": shown.identity,
            "images_per_batch": images_per_batch,
            "device": device.type,
            # `auto` is no option: what another machine measured in another precision counts.
            **{key: options[key] for key in ("precision", "threads", "code", "torch") if key in options},
        }
        store = plan_cache.Store(folder, context, shown.labels, len(shown.classes), precision["ran"])
        check = shown.normalised(slice(0, CHECKED)).to(device)
        network = sweep.Network(dense.model.to(device), batches, shown.labels, check, precision["ran"], store)
        rows = []
        terms = options["terms"]
        total = len(rankings) * len(terms) * len(options["levels"])
        with progress.over(total, "levels", "evaluation") as bar:
            for criterion, ranking in rankings.items():
                for one in terms:
                    for point in network.points(ranking, options["levels"], Terms(**one)):
                        rows.append((criterion, one, point))
                        bar.update(1)
        tables.write(as_table(rows, shown.classes), table)
    measured = [point.measured for _, _, point in rows]
    correctness.write([one.right for one in measured], right, [one.losses for one in measured])
    deviations = [point.deviation for _, _, point in rows if point.deviation is not None]
    return {
        "removed_against_masked": {
            "images": len(check),
            "levels": len(deviations),
            "largest": max(deviations, default=None),
        },
        "precision": precision | {"rows": dict(store.rows)},
    }


def as_table(rows, classes):
    """One row for each level; `removed.*` are shares of a layer's channels."""
    records = []
    for criterion, one, point in rows:
        row = evaluation_table.row(criterion, one, point.level, point, point.measured, classes)
        for layer, share in point.removed.items():
            row[f"{evaluation_table.OF_LAYER}{layer}"] = share
        records.append(row)
    return pandas.DataFrame(records)


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        versions = {"code": snakemake.params.code, "torch": job.provenance["versions"]["torch"]}
        facts = evaluate_pruning(
            snakemake.input.network,
            snakemake.input.images,
            dict(zip(job.options["criteria"], snakemake.input.rankings, strict=True)),
            snakemake.output.table,
            snakemake.output.bits,
            snakemake.params.plans,
            {**job.options, **versions},
            snakemake.resources.images_per_batch,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, **facts)
