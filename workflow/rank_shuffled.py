"""Draw random channels within layers at the widths of a learned criterion, as many times as every control is drawn."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.study import seeds


def rank_shuffled(units, rankings, shuffled, widths, draws):
    """Write one random order by each of the seeds `draws` to the paths `shuffled`.

    `widths` are those of the setting; where there are none, the paths `rankings` take turns to give the count of each
    layer at every level.
    """
    units = tables.read(units, "unit", "layer", "channel")
    orders = [ranking.order(tables.read(path, "unit", "layer", "channel")) for path in rankings]
    layers = ranking.layers_of(units)
    for place, (path, seed) in enumerate(zip(shuffled, draws, strict=True)):
        if widths is None:
            order = ranking.shuffled(orders[place % len(orders)], layers, seed)
        else:
            order = ranking.scoped(ranking.at_random(len(layers), seed), units, "widths", widths=widths)
        tables.write(ranking.table(order, units), path)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        ranked = (*job.wildcards["entry"].split("."), job.wildcards["seed"])
        count = len(snakemake.output.shuffled)
        rank_shuffled(
            snakemake.input.units,
            snakemake.input.rankings,
            snakemake.output.shuffled,
            job.options["widths"],
            [seeds.derived(job.options["seed"], "shuffled", *ranked, draw) for draw in range(count)],
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
