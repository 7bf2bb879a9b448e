"""Draw the validation loss by the passes that the fits of scorers cost, with a page of numbers."""

from pathlib import Path

import pandas

from secateur.artifacts import files, places, provenance, tables
from secateur.figures import appearance, epochs, html_tables
from secateur.jobs import script
from secateur.study import vocabulary

COLUMNS = ("epoch", "forwards", "train_loss", "validation_loss", "validation_accuracy")


def plot_scorers(histories, manifests, outputs, options):
    """`manifests` are those of the fits, in the order of the `histories`: only they have the CPU seconds."""
    table = pandas.concat(map(read, histories, manifests), ignore_index=True)
    title = f"Fits of scorers: {options['title']}"
    with files.replacing(outputs.figure) as temporary:
        appearance.save(epochs.of_scorers(table, title), temporary)
    ends = table.groupby(["entry", "draw", "seed"], sort=False).last().reset_index()
    parts = ["<h2>The end of each fit</h2>", html_tables.table(ends), "<h2>Every epoch</h2>", html_tables.table(table)]
    files.write_text(outputs.page, html_tables.page(title, *parts))


def read(history, manifest):
    """The epochs of one fit, with CPU seconds so far."""
    name = Path(history).name.removesuffix(".history.csv")
    facts = {"entry": vocabulary.without_draw(name), "draw": name, "seed": places.seed_of(history)}
    table = tables.read(history, *COLUMNS)[list(COLUMNS)]
    return table.assign(**facts, seconds=provenance.read(manifest)["learned"]["seconds"])


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_scorers(snakemake.input.histories, snakemake.input.manifests, snakemake.output, job.options)
