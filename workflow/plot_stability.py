"""Draw the stability of each reading's rankings over the count of images."""

from pathlib import Path

import pandas

from secateur.artifacts import files, places, tables
from secateur.figures import appearance, html_tables, stability
from secateur.jobs import script

NOTE = (
    "Spearman's correlation between two rankings of all channels, each by one half of the images so far: mean_abs, "
    "divided by the sum of its layer. One column for each reading and training seed; it ends at the count of images "
    "that were read."
)


def plot_stability(paths, outputs, options):
    curves = pandas.concat([_curve(path) for path in paths], ignore_index=True)
    until = {name: ends["stability"] for name, ends in options["until"].items() if ends}
    title = f"Stability of rankings over images: {options['title']}"
    with files.replacing(outputs.figure) as temporary:
        appearance.save(stability.stability(curves, until, title), temporary)
    wide = curves.pivot(index="images", columns=["reading", "seed"], values="spearman")
    wide.columns = [f"{reading}, seed {seed}" for reading, seed in wide.columns]
    files.write_text(outputs.page, html_tables.page(title, f"<p>{NOTE}</p>", html_tables.table(wide.reset_index())))


def _curve(path):
    """The table of results/{dataset}/{model}/{seed}/statistics/{reading}.stability.csv, with its names."""
    path = Path(path)
    names = {"reading": path.name.removesuffix(".stability.csv"), "seed": places.seed_of(path)}
    return tables.read(path, "images", "spearman").assign(**names)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_stability(snakemake.input.curves, snakemake.output, job.options)
