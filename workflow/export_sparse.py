"""Write one sparse network as files that stand alone, without its silent units, measured, with a card."""

from pathlib import Path

from secateur.analysis import sparsity
from secateur.artifacts import correctness, evaluation_table, sparsity_table, tables
from secateur.export import card, card_facts, formats, measured_facts
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints
from secateur.pruning import groups, removal, stored
from secateur.sparsity import remaining, silent_units
from secateur.study import kinds, seeds
from secateur.study.levels import PLAIN
from secateur.units import finding


def export_sparse(inputs, folder, options, seed, record, images_per_batch):
    """The card's Facts; `evaluated` is a table of evaluations, in which level 0 is the dense network."""
    dense, sparse = checkpoints.load(inputs["dense"]), checkpoints.load(inputs["network"])
    with store.opened(inputs["images"]) as images:
        checkpoints.same_images(sparse.description, images, inputs["network"])
        check = images.normalised(slice(0, measured_facts.CHECKED))
        units = finding.find(sparse.model, check)
        silent = silent_units.silent(sparse.model, units, check)
        # Of a network without a path from input to output nothing would be left: it is exported as it is.
        channels = {} if groups.is_constant(units.coupled, silent) else silent
        refuse_changed(sparse.model, channels, check)
        differences = formats.write(sparse.model, channels, check, folder, sparse.description, sparse.facts)
        exported = measured_facts.read_back(folder, dense.model, images, differences, images_per_batch)
    left = remaining.counted(exported.model, check)
    row = sparsity_table.read(inputs["table"]).iloc[0]
    networks, right = evaluated(inputs, row, options["confidence"])
    removed = finding.only_of(units, channels)
    return card_facts.Facts(
        **{key: record[key] for key in ("study", "secateur", "versions")},
        **measured_facts.networks(networks, dense.model, inputs["dense"], exported.model, check),
        **exported.facts,
        criterion=f"sparsity.{options['variant']}",
        level=options["level"],
        realised=len(removed) / len(units.units),
        terms=PLAIN,
        kind=kinds.NONE.name,
        schedule="",
        ranked_on="none",
        ranked_on_choosing=False,
        origin=options["origin"],
        data=card_facts.DataFacts(**options["data"], images=len(exported.right)),
        units=card_facts.UnitCounts(len(removed), len(units.units)),
        widths=measured_facts.widths(units.coupled, channels),
        accuracy=accuracy(inputs, options, right),
        agreeing=int((exported.right == right["smaller"]).sum()),
        seed=seed,
        sparse=sparse_facts(folder, inputs, row, options, left, len(finding.only_of(units, silent))),
    )


def refuse_changed(sparse, channels, check):
    """RuntimeError where the network without its silent units does not compute what it did with them."""
    difference = formats.difference(sparse, removal.removed(sparse, channels, check), check)
    if not difference <= formats.TOLERANCE:
        raise RuntimeError(
            f"without the silent units of {', '.join(channels)} the logits differ by {difference:.3g} of their range; "
            "please report it with the model"
        )


def evaluated(inputs, row, confidence):
    """({network: its performance}, {network: (images,) bool, whether it is right}), of the dense one and of `row`."""
    table = tables.read(inputs["evaluated"], "recovery", "level", *evaluation_table.LOSS_AND_ACCURACY)
    dense = sparsity.dense_row(table)
    right = {
        "dense": correctness.read(inputs["evaluated_bits"], len(table))[dense.index[0]],
        "smaller": correctness.read(inputs["bits"], 1)[0],
    }
    rows = {"dense": dense.iloc[0], "smaller": row}
    return {name: measured_facts.performance(rows[name], right[name], confidence) for name in rows}, right


def accuracy(inputs, options, right):
    """The AccuracyFacts of the sparse network beside the dense one."""
    generator = seeds.numpy_generator(options["seed"], "bootstrap", "sparsity", options["variant"], options["level"])
    return measured_facts.accuracy(right, [inputs["manifest"], inputs["evaluated_manifest"]], options, generator)


def sparse_facts(folder, inputs, row, options, left, silent):
    """The zeros of the network as it was trained, by the row of its table, and of the exported one."""
    empty = row["empty"]
    return card_facts.SparseFacts(
        variant=options["variant"],
        options=options["settings"],
        weights=int(row["weights"]),
        zeros=int(row["zeros"]),
        silent=silent,
        weights_left=left.weights,
        zeros_left=left.zeros,
        macs_left=left.macs_left,
        dense_packed=sparsity_table.size_of(inputs["dense"])["bytes_compressed"],
        packed=sparsity_table.size_of(folder / stored.WEIGHTS)["bytes_compressed"],
        empty=empty.split() if isinstance(empty, str) else [],
    )


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        facts = export_sparse(
            dict(snakemake.input.items()),
            Path(snakemake.output.manifest).parent,
            job.options,
            int(job.wildcards["seed"]),
            job.provenance,
            snakemake.resources.images_per_batch,
        )
        card.write(facts, snakemake.output, job.provenance)
