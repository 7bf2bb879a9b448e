"""Rank the units of one network by one score of each channel."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script

COMPARISON = ("normalise", "scope", "unit_score", "widths", "per")


def rank_by_score(scores, units, classes, table, comparison):
    """Write the ranking to `table`.

    `comparison` has the options that make scores comparable; `classes` is the path of the table that a scope needs, or
    None, and only the scope `widths` has those.
    """
    units, scores = tables.read(units, *ranking.UNITS), tables.read(scores, "layer", "channel", "score")
    if classes:
        classes = tables.read(classes, *ranking.CLASSES[comparison["scope"]])
    order = ranking.of_scores(scores, units, classes=classes, **comparison)
    tables.write(ranking.table(order, units), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        rank_by_score(
            snakemake.input.scores,
            snakemake.input.units,
            snakemake.input.get("classes"),
            snakemake.output.table,
            {key: job.options[key] for key in COMPARISON if key in job.options},
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
