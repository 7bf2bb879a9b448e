"""From a network's weights to one score for each channel that can be removed."""

from secateur import statistics
from secateur.artifacts import provenance, tables
from secateur.criteria import from_weights
from secateur.jobs import script
from secateur.models import checkpoints


def score_weights(checkpoint, units, table, score):
    model = checkpoints.load(checkpoint).model
    layers = list(dict.fromkeys(tables.read(units, "layer")["layer"]))
    tables.write(statistics.of_scores(from_weights.of_weights(model, score, layers)), table)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        score_weights(
            snakemake.input.network, snakemake.input.units, snakemake.output.table, score=job.wildcards["score"]
        )
        provenance.write(snakemake.output.manifest, **job.provenance)
