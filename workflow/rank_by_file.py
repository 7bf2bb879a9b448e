"""Rank the units of one network by the user's own file: scores, or an order of removal."""

from secateur import Refused, ranking
from secateur.artifacts import files, provenance, tables
from secateur.jobs import script
from secateur.study import contents, own_ranking

# An order is used unchanged; the position of a unit of several channels is their mean position.
OF_ORDER = {"normalise": "none", "scope": "global", "unit_score": "mean"}
COMPARISON = ("normalise", "scope", "unit_score", "per")


def rank_by_file(path, units, classes, table, comparison):
    """Write the ranking to `table`, and return the facts of its manifest.

    `comparison` has the options that make scores comparable; `classes` is the path of the table that a scope needs, or
    None.
    """
    units, scores = tables.read(units, *ranking.UNITS), own_ranking.read(path)
    own_ranking.refuse_foreign(scores, units, path)
    content = "scores"
    if own_ranking.is_order(path):
        if comparison.get("per"):
            raise Refused(f"{path} holds an order, which has no scores to divide by {comparison['per']}; give scores")
        content, comparison = "order", OF_ORDER
    if classes:
        classes = tables.read(classes, *ranking.CLASSES[comparison["scope"]])
    order = ranking.of_scores(scores, units, classes=classes, **comparison)
    tables.write(ranking.table(order, units), table)
    return {"file": str(path), "digest": files.digest(path), "is": content, **comparison}


if "snakemake" in globals():
    with script.job(snakemake) as job:
        # The path of the file cannot change a result: only its content is an option.
        path = files.found(contents.own_file(snakemake.config, job.wildcards["given"], job.wildcards["seed"]))
        contents.refuse_changed(path, job.options["content"])
        facts = rank_by_file(
            path,
            snakemake.input.units,
            snakemake.input.get("classes"),
            snakemake.output.table,
            {key: job.options[key] for key in COMPARISON if key in job.options},
        )
        provenance.write(snakemake.output.manifest, **job.provenance, read=facts)
