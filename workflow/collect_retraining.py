"""Gather what retraining gave back, beside the same networks without it, and average with paired intervals."""

from pathlib import Path

import numpy as np

from secateur.analysis import retraining
from secateur.artifacts import correctness, provenance, tables
from secateur.jobs import script

NEEDED = ("criterion", "keep_at_least", "level", *retraining.MEASURED, "images", "empty")


def collect_retraining(inputs, outputs, options):
    """`evaluated` are the tables of whole families without retraining, `retrained` those of single networks."""
    # Bits are read only where they are needed: for one network.
    one = len(options["seeds"]) == 1
    parts, right = [], []
    for path, beside in zip(inputs["evaluated"], inputs["evaluated_bits"], strict=True):
        table = tables.read(path, *NEEDED)
        shown = retraining.untouched(table, options["criteria"], options["levels"])
        parts.append((_seed(path, -3), shown))
        right += [correctness.read(beside, len(table))[shown.index]] if one else []
    for path, beside in zip(inputs["retrained"], inputs["retrained_bits"], strict=True):
        parts.append((_seed(path, -5), tables.read(path, *NEEDED, "kind")))
        right += [correctness.read(beside, 1)] if one else []
    rows = retraining.gathered(parts)
    tables.write(rows, outputs["table"])
    found = retraining.means(
        rows, np.concatenate(right) if one else None, options["confidence"], options["resamples"], options["seed"]
    )
    tables.write(found, outputs["means"])


def _seed(path, place):
    """The training seed in results/{dataset}/{model}/{seed}/..."""
    return int(Path(path).parts[place])


if "snakemake" in globals():
    with script.job(snakemake) as job:
        collect_retraining(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
        provenance.write(snakemake.output.manifest, **job.provenance)
