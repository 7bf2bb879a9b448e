"""Say on one page what the study asks, on which images, with which networks and which versions."""

from pathlib import Path

import pandas
import yaml

from secateur import checkpoints, files, images, jobs, pages, provenance


def describe_study(settings, splits, networks, page):
    config = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
    parts = [
        f"<p>{config['question']}</p>",
        "<h2>Images</h2>",
        pages.table(pandas.DataFrame(_split(path) for path in splits)),
        "<h2>What ranked on what</h2>",
        pages.table(pandas.DataFrame(_reading(name, reading) for name, reading in config["readings"].items())),
        "<h2>Networks</h2>",
        pages.table(pandas.DataFrame(_network(path) for path in networks)),
        "<h2>Settings</h2>",
        pages.facts(config),
        "<h2>Versions</h2>",
        pages.facts(provenance.versions()),
    ]
    files.write_text(page, pages.page(f"The study {config['study']}", *parts))


def _split(path):
    with images.opened(path) as shown:
        shape = "x".join(map(str, shown.pixels.shape[1:]))
        return {"split": shown.split, "images": len(shown), "shape": shape, "classes": len(shown.classes)}


def _reading(name, reading):
    use = {
        "test": "the test images, which are also reported on",
        "rank": "rank images, used for nothing else",
    }
    return {"reading": name, "ranked on": use.get(reading["split"], f"{reading['split']} images"), **reading}


def _network(path):
    _, about = checkpoints.load(path)
    return {
        key: about[key] for key in ("seed", "name", "epoch", "validation_accuracy", "validation_loss") if key in about
    }


if "snakemake" in globals():
    with jobs.job(snakemake):
        describe_study(
            snakemake.input.settings, snakemake.input.images, snakemake.input.networks, snakemake.output.page
        )
