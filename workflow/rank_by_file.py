"""Rank the channels of one network by the user's own file: scores, or an order of removal."""

from secateur import ranking
from secateur.artifacts import files, provenance, tables
from secateur.jobs import script
from secateur.study import contents, own_ranking

# An order is taken as it stands; the place of a unit of several channels is their mean.
OF_ORDER = {"normalise": "none", "scope": "global", "unit_score": "mean"}


def rank_by_file(path, units, stages, table, chosen):
    """`chosen` is how scores are made comparable; gives back what was read, and how."""
    units, scores, is_order = (
        tables.read(units, "unit", "layer", "channel"),
        own_ranking.read(path),
        own_ranking.is_order(path),
    )
    own_ranking.refuse_foreign(scores, units, path)
    stages = tables.read(stages, "layer", "stage") if stages else None
    chosen = OF_ORDER if is_order else chosen
    tables.write(ranking.table(ranking.of_scores(scores, units, stages=stages, **chosen), units), table)
    return {"file": str(path), "digest": files.digest(path), "is": "order" if is_order else "scores", **chosen}


if "snakemake" in globals():
    with script.job(snakemake) as job:
        # Where the file lies cannot change a result: only its content is an option.
        path = files.found(contents.own_file(snakemake.config, job.wildcards["given"], job.wildcards["seed"]))
        contents.refuse_changed(path, job.options["content"])
        read = rank_by_file(
            path,
            snakemake.input.units,
            snakemake.input.get("stages"),
            snakemake.output.table,
            {key: job.options[key] for key in ("normalise", "scope", "unit_score")},
        )
        provenance.write(snakemake.output.manifest, **job.provenance, read=read)
