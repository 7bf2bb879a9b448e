"""Say on one page what the study asks, on which images, with which networks and which versions."""

import html
from pathlib import Path

import pandas
import yaml

from secateur import checkpoints, files, images, intervals, jobs, pages, provenance


def describe_study(settings, splits, networks, readings, page, confidence):
    config = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
    trained = [checkpoints.load(path)[1] for path in networks]
    read = _images_read(provenance.read(path) for path in readings)
    parts = [
        f"<p>{html.escape(config['question'])}</p>",
        "<h2>Images</h2>",
        pages.table(pandas.DataFrame(_split(path) for path in splits)),
        f"<p>{_floor(splits[-1], confidence)}</p>",
        "<h2>What ranked on what</h2>",
        f"<p>{_origin(config)}</p>",
        pages.table(
            pandas.DataFrame(_reading(name, read[name], reading) for name, reading in config["readings"].items())
        ),
        "<h2>Networks</h2>",
        pages.table(pandas.DataFrame(_network(about) for about in trained)),
        "<h2>Settings</h2>",
        pages.facts(config),
        "<h2>Versions that trained the networks</h2>",
        pages.facts(trained[0]["provenance"]["versions"]),
        "<h2>Versions that made this page</h2>",
        pages.facts(provenance.versions()),
    ]
    files.write_text(page, pages.page(f"The study {config['study']}", *parts))


def _split(path):
    with images.opened(path) as shown:
        shape = "x".join(map(str, shown.pixels.shape[1:]))
        return {"split": shown.split, "images": len(shown), "shape": shape, "classes": len(shown.classes)}


def _floor(path, confidence):
    """What chance in the choice of test images alone would do to an accuracy."""
    with images.opened(path) as shown:
        halves = [100 * intervals.binomial_floor(accuracy, len(shown), confidence) for accuracy in (0.5, 0.9, 0.99)]
        return (
            f"With {len(shown)} test images, chance in their choice alone moves a single accuracy of 50 / 90 / 99 % by "
            f"± {halves[0]:.1f} / {halves[1]:.1f} / {halves[2]:.1f} points ({100 * confidence:g} %, binomial)."
        )


def _origin(config):
    """Where the images that rank were taken from, and what the networks may have seen of them."""
    taken = "of the test images" if config["split"]["rank_from"] == "test" else "of the training images"
    text = f"The rank split was carved {taken}; training here never saw it, and it is never reported."
    if config["model"]["weights"] is not None and config["split"]["rank_from"] == "train":
        text += " The networks start from weights made elsewhere, which may have seen these images."
    return text


def _images_read(manifests):
    """{reading: how many images were read}; a reading that ends early may differ by network."""
    found = {}
    for manifest in manifests:
        found.setdefault(manifest["wildcards"]["reading"], set()).add(manifest["images"])
    return {name: " or ".join(map(str, sorted(counts))) for name, counts in found.items()}


def _reading(name, read, reading):
    use = {"test": "the test images, which are also reported on", "rank": "rank images, used for nothing else"}
    until = reading["until"]
    facts = {
        "reading": name,
        "ranked on": use.get(reading["split"], f"{reading['split']} images"),
        "images read": read,
        "classes": ", ".join(map(str, reading["classes"])) if reading["classes"] else "all",
        "until": f"two halves agree to {until['stability']:g}" if until else "all are read",
    }
    return facts | {key: value for key, value in reading.items() if key not in (*facts, "shards")}


def _network(about):
    shown = ("seed", "name", "epoch", "validation_accuracy", "validation_loss")
    return {key: about[key] for key in shown if key in about}


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        describe_study(
            snakemake.input.settings,
            snakemake.input.images,
            snakemake.input.networks,
            snakemake.input.readings,
            snakemake.output.page,
            job.options["confidence"],
        )
