"""Score the units of one network by a scorer of their descriptors, fitted on it or on another one."""

import torch

from secateur.artifacts import files, provenance, tables
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints, tensor_files
from secateur.selection import descriptors, learning, scoring_network
from secateur.study import contents
from secateur.units import finding


def score_by_scorer(inputs, scorer, table, options):
    """`scorer` is the path of its file; returns facts for the manifest."""
    device = devices.chosen(options["device"])
    network = checkpoints.load(inputs["network"], device)
    model, described = network.model, network.description
    asked = scoring_network.Facts(options["gradients"], options["scope"])
    judging, facts = scoring_network.from_state(tensor_files.read(scorer), scorer, asked)
    units = finding.find(model, described.zeros(1, device), options["residual"], options["linear"])
    with store.opened(inputs["calibration"]) as images:
        checkpoints.same_images(described, images, inputs["network"])
        batches = None
        if facts.gradients:
            batches = descriptors.batches_of(images, options["calibration"]["images"], device)
        features = descriptors.of(model, units, batches)
        read = len(descriptors.rows_of(images, options["calibration"]["images"])) if facts.gradients else 0
        split = images.split
    with torch.no_grad():
        scores = dict(enumerate(scoring_network.scores(judging, features).tolist()))
    tables.write(learning.table(scores, units), table)
    return {"split": split, "images": read, "descriptors": list(descriptors.NAMES)}


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        scorer = snakemake.input.get("scorer")
        if "content" in job.options:
            # The path of the file cannot change a result: only its content is an option.
            named = contents.scorer_file(snakemake.config, job.wildcards["scorer"], job.wildcards["seed"])
            scorer = files.found(named)
            contents.refuse_changed(scorer, job.options["content"])
        read = score_by_scorer(
            dict(snakemake.input.items()),
            scorer,
            snakemake.output.table,
            job.options,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, read=read)
