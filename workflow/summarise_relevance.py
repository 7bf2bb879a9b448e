"""From relevance maps to six statistics for each channel, by class too; how stable they are, and what was lost."""

from pathlib import Path

import pandas

from secateur import Refused, statistics
from secateur.artifacts import provenance, tables
from secateur.jobs import script
from secateur.relevance import store
from secateur.study import biases

# How far from all of the relevance still counts as all; bfloat16 rounds more.
TOLERANCES = {"float64": 0.001, "float32": 0.001, "bfloat16": 0.05}
# So many images may lose all (units without a contribution of one sign): more, and a path was lost.
MOST = 0.5


def summarise_relevance(relevance, outputs, absolute, reduce, reading, network):
    store.refuse_other(relevance, reading, network)
    maps, images = store.read(relevance)
    without = store.without(relevance)
    tables.write(statistics.of_relevance(maps, absolute, reduce, without), outputs["table"])
    tables.write(statistics.by_class(*store.by_class(relevance), reduce), outputs["by_class"])
    curve = pandas.DataFrame(store.stability_of(relevance), columns=["images", "spearman"])
    tables.write(curve.astype({"images": int}), outputs["stability"])
    shares, tolerance = store.kept(relevance), TOLERANCES[reading["precision"]]
    _refuse_lost(shares, tolerance, reading)
    kept = statistics.of_conservation(shares, tolerance)
    tables.write(kept, outputs["conservation"])
    lost = dict(zip(kept["layer"], kept["not_conserved"], strict=True))
    return {"images": images, "relevance": Path(relevance).name, "not_conserved": lost, "without": without}


def _refuse_lost(shares, tolerance, reading):
    """By a rule that conserves, most images have something left at the first layer that every path crosses."""
    if not shares or biases.absorbed_by(reading["rule"], reading["bias"], reading["pool"]):
        return
    layer = next(iter(shares))
    lost = (abs(shares[layer]) <= tolerance).mean()
    if lost > MOST:
        raise Refused(
            f"relevance got lost: of {100 * lost:.0f} % of the images nothing is left at {layer}, which every path "
            "from the image to the classes crosses, though the rule conserves it; a ranking would be the network's own "
            "order. This may be a fault of secateur's: please report it with the model"
        )


if "snakemake" in globals():
    with script.job(snakemake) as job:
        network = {key: job.wildcards[key] for key in ("dataset", "model", "seed")}
        found = summarise_relevance(
            snakemake.input.relevance, dict(snakemake.output.items()), network=network, **job.options
        )
        provenance.write(snakemake.output.manifest, **job.provenance, **found)
