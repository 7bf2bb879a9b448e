"""Write the smaller network of one criterion and level as files that can be shipped, measured, with a card."""

import math
import platform
from pathlib import Path

import torch

from secateur import cost
from secateur.analysis import intervals, retraining
from secateur.artifacts import correctness, files, provenance, tables
from secateur.evaluation import measuring
from secateur.export import card, formats, latency
from secateur.figures import documents
from secateur.images import store
from secateur.jobs import devices, script
from secateur.models import checkpoints
from secateur.pruning import groups, plans, stored
from secateur.retraining import steps
from secateur.study import seeds
from secateur.study.levels import Terms

# Images on which every file is compared with torch, and the largest batch that is timed.
CHECKED = 32
BATCHES = (1, 32)
NEEDED = ("criterion", "keep_at_least", "level", "images", "loss", "accuracy")


def export_model(inputs, folder, options, images_per_batch):
    """The facts of the manifest; `table` and `bits` are those of the criterion's family on the test images."""
    checkpoint = inputs["network"]
    dense = checkpoints.load(checkpoint)
    model, described = dense.model, dense.description
    ranking = tables.read(inputs["ranking"], "unit", "layer", "channel")
    terms, coupled = Terms(**options["terms"]), steps.followed(model, described)
    channels = plans.plan(ranking, options["level"], terms, coupled)
    state = stored.load(inputs["retrained"]).state_dict() if "retrained" in inputs else None
    with store.opened(inputs["images"]) as shown:
        checkpoints.same_images(described, shown, checkpoint)
        check = shown.normalised(slice(0, CHECKED))
        differences = formats.write(model, channels, check, folder, described, dense.facts, state)
        kept = stored.read(folder)
        smaller = kept.model
        timed = latency.measured(model, smaller, [_repeated(check, size) for size in BATCHES])
        loaded = measuring.over(
            smaller, ((pixels, labels) for _, pixels, labels in store.batches(shown, images_per_batch))
        )
    tables.write(timed, Path(folder) / "latency.csv")
    measured = _measured(inputs, options)
    agreeing = int((loaded.right == measured.pop("right")).sum())
    for name, network in (("dense", model), ("smaller", smaller)):
        found = cost.count(network, check)
        measured[name] |= {"parameters": found.parameters, "macs": found.macs}
    measured["dense"]["bytes"] = Path(checkpoint).stat().st_size
    units = {"removed": plans.units_of(ranking, channels), "all": ranking["unit"].nunique()}
    return {
        **measured,
        "about": kept.description.as_dict() | kept.facts,
        "checked": len(check),
        "agreeing": agreeing,
        "images": len(loaded.right),
        "differences": differences,
        "files": {name: (Path(folder) / name).stat().st_size for name in formats.FILES},
        "latency": [row | _circumstances() for row in latency.summary(timed).to_dict("records")],
        "processor": _processor(),
        "realised": plans.realised(ranking, channels, terms.budget, coupled),
        "tolerance": formats.TOLERANCE,
        "units": units,
        "widths": _widths(coupled, channels),
    }


def _measured(inputs, options):
    """What the evaluation says of the dense and of the smaller network, with intervals, and the smaller one's bits."""
    rows, floor = tables.read(inputs["table"], *NEEDED), options["terms"]["keep_at_least"]
    kept = correctness.read(inputs["bits"], len(rows))
    rows = rows[(rows["criterion"] == options["criterion"]) & (rows["keep_at_least"] == floor)]
    (dense,), (pruned,) = (rows.index[rows["level"] == level] for level in (0, options["level"]))
    row, right = rows.loc[pruned], kept[pruned]
    networks = {"dense": _network(rows.loc[dense], kept[dense], options["confidence"])}
    if "retrained" in inputs:
        networks["pruned"] = _network(row, right, options["confidence"])
        row, (right,) = (
            tables.read(inputs["retrained_table"], *NEEDED).iloc[0],
            correctness.read(inputs["retrained_bits"], 1),
        )
    networks["smaller"] = _network(row, right, options["confidence"])
    low, high = intervals.paired_bootstrap(
        right,
        kept[dense],
        options["confidence"],
        options["resamples"],
        seeds.numpy_generator(options["seed"], "bootstrap", floor, options["criterion"], options["level"]),
    )
    change = {"value": float(row["accuracy"] - rows.loc[dense, "accuracy"]), "low": low, "high": high}
    chosen = {key: options[key] for key in ("confidence", "resamples")}
    return {**networks, "accuracy": {"change": change, "precision": _precision(inputs), **chosen}, "right": right}


def _precision(inputs):
    """What the evaluations ran in, by their manifests: with `auto`, machines differ."""
    manifests = [provenance.read(inputs[key]) for key in ("manifest", "retrained_manifest") if key in inputs]
    return " and ".join(sorted({name for manifest in manifests for name in manifest["precision"]["rows"]}))


def _network(row, right, confidence):
    low, high = intervals.wilson(right.sum(), len(right), confidence)
    by_class = {name.removeprefix("accuracy."): float(row[name]) for name in row.index if name.startswith("accuracy.")}
    return {
        "accuracy": float(row["accuracy"]),
        "low": low,
        "high": high,
        "loss": float(row["loss"]),
        "by_class": by_class,
    }


def _repeated(pixels, size):
    """The first `size` images, again from the first where there are fewer."""
    return pixels.repeat(math.ceil(size / len(pixels)), 1, 1, 1)[:size]


def _widths(coupled, channels):
    """{layer: [its channels or features, those that are left]}; linear layers that lost none are left out."""
    widths, left = (groups.widths(coupled, gone) for gone in ({}, channels))
    shown = [layer for layer in widths if layer in coupled.convolutions or left[layer] < widths[layer]]
    return {layer: [widths[layer], left[layer]] for layer in shown}


def _circumstances():
    threads = torch.get_num_threads()
    return {"threads": threads, "clock": "processor time" if threads == 1 else "time on the clock"}


def _processor():
    """What the processor calls itself."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(named), platform.processor() or platform.machine())


if "snakemake" in globals():
    with script.job(snakemake) as job, devices.threads(job.options["threads"]):
        facts = export_model(
            dict(snakemake.input.items()),
            Path(snakemake.output.manifest).parent,
            job.options,
            snakemake.resources.images_per_batch,
        )
        said = ("criterion", "level", "kind", "terms", "ranked_on", "ranked_on_choosing", "origin")
        facts |= {key: job.options[key] for key in said} | job.provenance
        facts |= {
            "schedule": " ".join(retraining.schedules(job.options).values()),
            "seed": int(job.wildcards["seed"]),
            "data": job.options["data"] | {"images": facts["images"]},
        }
        parts = card.blocks(facts)
        files.write_text(snakemake.output.card, documents.as_markdown(parts))
        files.write_text(snakemake.output.page, documents.as_html(parts))
        provenance.write(snakemake.output.manifest, **facts)
