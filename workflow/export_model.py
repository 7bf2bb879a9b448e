"""Write the smaller network of one criterion and level as files that stand alone, measured, with a card."""

from pathlib import Path

from secateur.analysis import retraining
from secateur.artifacts import correctness, files, provenance, tables
from secateur.export import card, card_facts, formats, measured_facts
from secateur.figures import documents
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints
from secateur.pruning import plans, stored
from secateur.retraining import steps
from secateur.study import seeds
from secateur.study.levels import Terms

# Images on which every file is compared with torch.
CHECKED = 32
NEEDED = ("criterion", "keep_at_least", "level", "images", "loss", "accuracy")
EVALUATED = (*NEEDED, "recovery")


def export_model(inputs, folder, options, seed, record, images_per_batch):
    """The card's Facts; of `inputs`, `table` and `bits` are the evaluation of the criterion's family on test images."""
    dense = checkpoints.load(inputs["network"])
    ranking = tables.read(inputs["ranking"], "unit", "layer", "channel")
    terms, coupled = Terms(**options["terms"]), steps.followed(dense.model, dense.description)
    channels = plans.plan(ranking, options["level"], terms, coupled)
    with store.opened(inputs["images"]) as images:
        checkpoints.same_images(dense.description, images, inputs["network"])
        check = images.normalised(slice(0, CHECKED))
        differences = formats.write(
            dense.model, channels, check, folder, dense.description, dense.facts, _retrained_state(inputs)
        )
        exported = stored.read(folder)
        timed = measured_facts.timed(dense.model, exported.model, check)
        answers = measured_facts.tested(exported.model, images, images_per_batch)
    tables.write(timed, Path(folder) / "latency.csv")
    networks, right = _evaluated(inputs, options)
    networks["dense"] |= measured_facts.size(dense.model, check) | {"bytes": Path(inputs["network"]).stat().st_size}
    networks["smaller"] |= measured_facts.size(exported.model, check)
    network_facts = {name: card_facts.NetworkFacts(**network) for name, network in networks.items()}
    return card_facts.Facts(
        **_chosen(options, ("criterion", "level", "kind", "ranked_on", "ranked_on_choosing", "origin")),
        **_chosen(record, ("study", "secateur", "versions")),
        dense=network_facts["dense"],
        smaller=network_facts["smaller"],
        pruned=network_facts.get("pruned"),
        description=exported.description,
        training=exported.facts,
        realised=plans.realised(ranking, channels, terms.budget, coupled),
        terms=terms,
        schedule=" ".join(retraining.schedules(options).values()),
        data=card_facts.DataFacts(**options["data"], images=len(answers)),
        units=card_facts.UnitCounts(plans.units_of(ranking, channels), ranking["unit"].nunique()),
        widths=measured_facts.widths(coupled, channels),
        accuracy=_accuracy(inputs, options, right),
        images=len(answers),
        agreeing=int((answers == right["smaller"]).sum()),
        latency=measured_facts.latencies(timed),
        processor=measured_facts.processor(),
        files=measured_facts.sizes_on_disk(folder),
        differences=differences,
        checked=len(check),
        tolerance=formats.TOLERANCE,
        seed=seed,
    )


def _chosen(values, keys):
    return {key: values[key] for key in keys}


def _retrained_state(inputs):
    """The state_dict of the network that was retrained, if one was."""
    if "retrained" not in inputs:
        return None
    return stored.load(inputs["retrained"]).state_dict()


def _evaluated(inputs, options):
    """({network: its performance in the evaluation}, {network: (images,) bool, whether it is right})."""
    rows = tables.read(inputs["table"], *EVALUATED)
    bits = correctness.read(inputs["bits"], len(rows))
    floor, rows = options["terms"]["keep_at_least"], tables.of_recovery(rows)
    rows = rows[(rows["criterion"] == options["criterion"]) & (rows["keep_at_least"] == floor)]
    networks, right = {}, {}
    for name, level in (("dense", 0), ("smaller", options["level"])):
        (index,) = rows.index[rows["level"] == level]
        right[name] = bits[index]
        networks[name] = measured_facts.performance(rows.loc[index], right[name], options["confidence"])
    if "retrained" in inputs:
        networks["pruned"] = networks["smaller"]
        (right["smaller"],) = correctness.read(inputs["retrained_bits"], 1)
        row = tables.read(inputs["retrained_table"], *NEEDED).iloc[0]
        networks["smaller"] = measured_facts.performance(row, right["smaller"], options["confidence"])
    return networks, right


def _accuracy(inputs, options, right):
    """The AccuracyFacts of the exported network beside the dense one."""
    floor, confidence, resamples = options["terms"]["keep_at_least"], options["confidence"], options["resamples"]
    generator = seeds.numpy_generator(options["seed"], "bootstrap", floor, options["criterion"], options["level"])
    change = measured_facts.change(right, options, generator)
    return card_facts.AccuracyFacts(change, _precision(inputs), confidence, resamples)


def _precision(inputs):
    """The arithmetic of the evaluations by their manifests: with `auto`, machines differ."""
    names = set()
    for key in ("manifest", "retrained_manifest"):
        if key in inputs:
            names |= set(provenance.read(inputs[key])["precision"]["rows"])
    return " and ".join(sorted(names))


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        facts = export_model(
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
