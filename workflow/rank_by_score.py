"""Rank the channels of one network by one score of each."""

from secateur import ranking
from secateur.artifacts import provenance, tables
from secateur.jobs import script


def rank_by_score(scores, units, stages, table, chosen):
    """`chosen` is how scores are made comparable; `stages` is a path for the scope of that name, else None."""
    units, scores = tables.read(units, "unit", "layer", "channel"), tables.read(scores, "layer", "channel", "score")
    stages = tables.read(stages, "layer", "stage") if stages else None
    tables.write(ranking.table(ranking.of_scores(scores, units, stages=stages, **chosen), units), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        rank_by_score(
            snakemake.input.scores,
            snakemake.input.units,
            snakemake.input.get("stages"),
            snakemake.output.table,
            {key: job.options[key] for key in ("normalise", "scope", "unit_score")},
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
