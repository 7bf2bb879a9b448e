"""Draw the validation loss by the passes that the fits of scorers cost, with a page of numbers."""

import pandas

from secateur.analysis import epochs
from secateur.artifacts import files
from secateur.figures import appearance, html_tables
from secateur.figures import epochs as figures_epochs
from secateur.jobs import script


def plot_scorers(histories, manifests, outputs, options):
    """`manifests` are those of the fits, in the order of the `histories`: only they have the CPU seconds."""
    table = pandas.concat(map(epochs.read_fit, histories, manifests), ignore_index=True)
    title = f"Fits of scorers: {options['title']}"
    with files.replacing(outputs.figure) as temporary:
        appearance.save(figures_epochs.of_scorers(table, title), temporary)
    ends = table.groupby(["entry", "draw", "seed"], sort=False).last().reset_index()
    parts = ["<h2>The end of each fit</h2>", html_tables.table(ends), "<h2>Every epoch</h2>", html_tables.table(table)]
    files.write_text(outputs.page, html_tables.page(title, *parts))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_scorers(snakemake.input.histories, snakemake.input.manifests, snakemake.output, job.options)
