"""Rank the units of one network by one score of each channel."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script

COMPARISON = ("normalise", "scope", "unit_score", "widths", "per")


def rank_by_score(scores, units, stages, table, comparison):
    """Write the ranking to `table`.

    `comparison` has the options that make scores comparable; `stages` is a path for the scope of that name, else None,
    and only the scope `widths` has those.
    """
    units, scores = tables.read(units, *ranking.UNITS), tables.read(scores, "layer", "channel", "score")
    if stages:
        stages = tables.read(stages, "layer", "stage")
    order = ranking.of_scores(scores, units, stages=stages, **comparison)
    tables.write(ranking.table(order, units), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        rank_by_score(
            snakemake.input.scores,
            snakemake.input.units,
            snakemake.input.get("stages"),
            snakemake.output.table,
            {key: job.options[key] for key in COMPARISON if key in job.options},
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
