"""Write the smaller network of one criterion and level as files that stand alone, measured, with a card."""

from pathlib import Path

from secateur.analysis import retraining
from secateur.artifacts import correctness, tables
from secateur.export import card, card_facts, formats, measured_facts
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints
from secateur.pruning import plans, stored
from secateur.retraining import steps
from secateur.study import seeds
from secateur.study.levels import Terms

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
        check = images.normalised(slice(0, measured_facts.CHECKED))
        differences = formats.write(
            dense.model, channels, check, folder, dense.description, dense.facts, _retrained_state(inputs)
        )
        exported = measured_facts.read_back(folder, dense.model, images, differences, images_per_batch)
    evaluated, right = _evaluated(inputs, options)
    return card_facts.Facts(
        **_chosen(options, ("criterion", "level", "kind", "ranked_on", "ranked_on_choosing", "origin")),
        **_chosen(record, ("study", "secateur", "versions")),
        **measured_facts.networks(evaluated, dense.model, inputs["network"], exported.model, check),
        **exported.facts,
        realised=plans.realised(ranking, channels, terms.budget, coupled),
        terms=terms,
        schedule=" ".join(retraining.schedules(options).values()),
        data=card_facts.DataFacts(**options["data"], images=len(exported.right)),
        units=card_facts.UnitCounts(plans.units_of(ranking, channels), ranking["unit"].nunique()),
        widths=measured_facts.widths(coupled, channels),
        accuracy=_accuracy(inputs, options, right),
        agreeing=int((exported.right == right["smaller"]).sum()),
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
    floor = options["terms"]["keep_at_least"]
    generator = seeds.numpy_generator(options["seed"], "bootstrap", floor, options["criterion"], options["level"])
    manifests = [inputs[key] for key in ("manifest", "retrained_manifest") if key in inputs]
    return measured_facts.accuracy(right, manifests, options, generator)


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
        card.write(facts, snakemake.output, job.provenance)
