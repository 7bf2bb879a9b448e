"""Write one sparse network as files that stand alone, without its silent units, measured, with a card."""

from pathlib import Path

from secateur.artifacts import correctness, evaluation_table, files, provenance, sparsity_table, tables
from secateur.export import card, card_facts, formats, measured_facts
from secateur.figures import documents
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints
from secateur.pruning import stored
from secateur.sparsity import silent_units
from secateur.study import kinds, seeds
from secateur.study.levels import PLAIN
from secateur.units import finding

# Images on which every file is compared with torch.
CHECKED = 32


def export_sparse(inputs, folder, options, seed, record, images_per_batch):
    """The card's Facts; `evaluated` is a table of evaluations, in which level 0 is the dense network."""
    dense, sparse = checkpoints.load(inputs["dense"]), checkpoints.load(inputs["network"])
    with store.opened(inputs["images"]) as images:
        checkpoints.same_images(sparse.description, images, inputs["network"])
        check = images.normalised(slice(0, CHECKED))
        units = finding.find(sparse.model, check)
        channels = silent_units.silent(sparse.model, units, check)
        differences = formats.write(sparse.model, channels, check, folder, sparse.description, sparse.facts)
        exported = stored.read(folder)
        refuse_changed(sparse.model, exported.model, check, channels)
        timed = measured_facts.timed(dense.model, exported.model, check)
        answers = measured_facts.tested(exported.model, images, images_per_batch)
    tables.write(timed, Path(folder) / "latency.csv")
    networks, right = evaluated(inputs, options)
    networks["dense"] |= measured_facts.size(dense.model, check) | {"bytes": Path(inputs["dense"]).stat().st_size}
    networks["smaller"] |= measured_facts.size(exported.model, check)
    removed = finding.only_of(units, channels)
    return card_facts.Facts(
        **{key: record[key] for key in ("study", "secateur", "versions")},
        **{name: card_facts.NetworkFacts(**network) for name, network in networks.items()},
        criterion=f"sparsity.{options['variant']}",
        level=options["level"],
        realised=len(removed) / len(units.units),
        terms=PLAIN,
        kind=kinds.NONE.name,
        schedule="",
        ranked_on="none",
        ranked_on_choosing=False,
        origin=options["origin"],
        description=exported.description,
        training=exported.facts,
        data=card_facts.DataFacts(**options["data"], images=len(answers)),
        units=card_facts.UnitCounts(len(removed), len(units.units)),
        widths=measured_facts.widths(units.coupled, channels),
        accuracy=accuracy(inputs, options, right),
        images=len(answers),
        agreeing=int((answers == right["smaller"]).sum()),
        latency=measured_facts.latencies(timed),
        processor=measured_facts.processor(),
        files=measured_facts.sizes_on_disk(folder),
        differences=differences,
        checked=len(check),
        tolerance=formats.TOLERANCE,
        seed=seed,
        sparse=sparse_facts(inputs, options),
    )


def refuse_changed(sparse, exported, check, channels):
    """RuntimeError where the network without its silent units does not compute what it did with them."""
    difference = formats.difference(sparse, exported, check)
    if not difference <= formats.TOLERANCE:
        raise RuntimeError(
            f"without the silent units of {', '.join(channels)} the logits differ by {difference:.3g} of their range; "
            "please report it with the model"
        )


def evaluated(inputs, options):
    """({network: its performance}, {network: (images,) bool, whether it is right}), dense and sparse."""
    confidence, networks = options["confidence"], {}
    rows = tables.of_recovery(
        tables.read(inputs["evaluated"], "recovery", "level", *evaluation_table.LOSS_AND_ACCURACY)
    )
    first = rows.index[rows["level"] == 0][0]
    dense = correctness.read(inputs["evaluated_bits"], len(tables.read(inputs["evaluated"])))[first]
    right = {"dense": dense, "smaller": correctness.read(inputs["bits"], 1)[0]}
    networks["dense"] = measured_facts.performance(rows.loc[first], right["dense"], confidence)
    row = tables.read(inputs["table"], *sparsity_table.COLUMNS).iloc[0]
    networks["smaller"] = measured_facts.performance(row, right["smaller"], confidence)
    return networks, right


def accuracy(inputs, options, right):
    """The AccuracyFacts of the sparse network beside the dense one."""
    generator = seeds.numpy_generator(options["seed"], "bootstrap", "sparsity", options["variant"], options["level"])
    change = measured_facts.change(right, options, generator)
    manifests = (inputs["manifest"], inputs["evaluated_manifest"])
    names = {name for path in manifests for name in provenance.read(path)["precision"]["rows"]}
    return card_facts.AccuracyFacts(change, " and ".join(sorted(names)), options["confidence"], options["resamples"])


def sparse_facts(inputs, options):
    """The zeros of the network, as its table counts them."""
    row = tables.read(inputs["table"], *sparsity_table.COLUMNS).iloc[0]
    empty = row["empty"]
    return card_facts.SparseFacts(
        variant=options["variant"],
        options=options["settings"],
        weights=int(row["weights"]),
        zeros=int(row["zeros"]),
        macs_left=int(row["macs_left"]),
        dense_packed=sparsity_table.size_of(inputs["dense"])["bytes_compressed"],
        packed=int(row["bytes_compressed"]),
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
        parts = card.blocks(facts)
        files.write_text(snakemake.output.card, documents.as_markdown(parts))
        files.write_text(snakemake.output.page, documents.as_html(parts))
        provenance.write(snakemake.output.manifest, **(job.provenance | card_facts.manifest(facts)))
