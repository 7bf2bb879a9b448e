"""Compute six statistics of relevance for each channel, also by class, with their stability and conservation."""

from pathlib import Path

import pandas

from secateur import Refused, statistics
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.relevance import store
from secateur.study import biases

# Deviations from the whole relevance that count as conserved; bfloat16 rounds more.
TOLERANCES = {"float64": 0.001, "float32": 0.001, "bfloat16": 0.05}
# Share of images that may lose all relevance, as units without a contribution of one sign do; above it, a path is
# missing.
MOST_LOST = 0.5


def summarise_relevance(relevance, outputs, absolute, reduce, reading, network):
    """Write the four tables of a relevance file, and return the facts of their manifest."""
    store.refuse_other(relevance, reading, network)
    maps, images = store.read(relevance)
    without = store.without(relevance)
    tables.write(statistics.of_relevance(maps, absolute, reduce, without), outputs["table"])
    tables.write(statistics.by_class(*store.by_class(relevance), reduce), outputs["by_class"])
    curve = pandas.DataFrame(store.stability_of(relevance), columns=["images", "spearman"])
    tables.write(curve.astype({"images": int}), outputs["stability"])
    shares, tolerance = store.kept(relevance), TOLERANCES[reading["precision"]]
    _refuse_lost(shares, tolerance, reading)
    conservation = statistics.of_conservation(shares, tolerance)
    tables.write(conservation, outputs["conservation"])
    lost = dict(zip(conservation["layer"], conservation["not_conserved"], strict=True))
    return {"images": images, "relevance": Path(relevance).name, "not_conserved": lost, "without": without}


def _refuse_lost(shares, tolerance, reading):
    """Refuse relevance that most images have lost at the first dominator of the output, if the rule conserves it."""
    if not shares or biases.absorbed_by(reading["rule"], reading["bias"], reading["pool"]):
        return
    layer = next(iter(shares))
    lost = (abs(shares[layer]) <= tolerance).mean()
    if lost > MOST_LOST:
        raise Refused(
            f"relevance was lost: {100 * lost:.0f} % of the images have none at {layer}, which is on every path from "
            "the image to the classes, although the rule conserves it; a ranking by it would be the network's order. "
            "This may be a bug of secateur: please report it with the model"
        )


if "snakemake" in globals():
    with script.job(snakemake) as job:
        network = {key: job.wildcards[key] for key in ("dataset", "model", "seed")}
        facts = summarise_relevance(
            snakemake.input.relevance, dict(snakemake.output.items()), network=network, **job.options
        )
        provenance.write(snakemake.output.manifest, **job.provenance, **facts)
