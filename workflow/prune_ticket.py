"""Close the smallest weights of a trained network: one round of iterative magnitude pruning."""

from secateur.artifacts import provenance
from secateur.jobs import devices, script
from secateur.models import checkpoints
from secateur.sparsity import masks


def prune_ticket(network, before, output, place, options):
    """`before` is the file of the masks under which the network was trained; None of a dense one."""
    model = checkpoints.load(network, devices.chosen(options["device"])).model
    known = None
    if before is not None:
        known = masks.read(before, model)
        masks.refuse_open(model, known, network)
    left = masks.pruned(model, options["sparsity"], known)
    masks.write(output, left, {"round": place, "sparsity": options["sparsity"]})
    return {"zeros": masks.zeros_of(left), "left": list(masks.left_of(left).items())}


if "snakemake" in globals():
    with script.job(snakemake) as job:
        facts = prune_ticket(
            snakemake.input.network,
            snakemake.input.get("mask") or None,
            snakemake.output.mask,
            int(job.wildcards["round"]),
            job.options,
        )
        provenance.write(snakemake.output.manifest, **job.provenance, **facts)
