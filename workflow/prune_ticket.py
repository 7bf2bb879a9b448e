"""Close the smallest weights of a trained network: one round of iterative magnitude pruning."""

from secateur.artifacts import provenance
from secateur.jobs import script
from secateur.models import checkpoints, freezing
from secateur.sparsity import masks


def prune_ticket(network, before, output, cell, options):
    """`before` is the file of the masks under which the network was trained; None of a dense one.

    `cell` is {"seed", "round"}.
    """
    model = checkpoints.load(network).model
    freezing.trainable(model, "all")
    known = None
    if before is not None:
        known = masks.read(before, model, {"seed": cell["seed"], "round": cell["round"] - 1})
        masks.refuse_open(model, known, network)
    left = masks.pruned(model, options["sparsity"], known)
    masks.write(output, left, {**cell, "sparsity": options["sparsity"]})
    return {"zeros": masks.zeros_of(left), "left": list(masks.left_of(left).items())}


if "snakemake" in globals():
    with script.job(snakemake) as job:
        cell = {"seed": int(job.wildcards["seed"]), "round": int(job.wildcards["round"])}
        facts = prune_ticket(
            snakemake.input.network,
            snakemake.input.get("mask") or None,
            snakemake.output.mask,
            cell,
            job.options,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, **facts)
