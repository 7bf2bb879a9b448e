"""Draw networks of equal widths that were trained from first weights, as they were and drawn anew."""

import pandas

from secateur.analysis import epochs
from secateur.artifacts import files, tables
from secateur.figures import appearance, html_tables, redrawn
from secateur.jobs import script
from secateur.study.reinitialisations import OF_KINDS

CELL = ["criterion", "level", "kind"]


def plot_redrawn(inputs, outputs, options):
    rows = tables.read(inputs["table"], *CELL, "seed", "accuracy")
    means = tables.read(inputs["means"], *CELL, "accuracy", "accuracy_low", "accuracy_high")
    histories = pandas.concat(map(epochs.read_steps, inputs["histories"]), ignore_index=True)
    figure = redrawn.of_study(means, rows, histories, options["title"])
    with files.replacing(outputs["figure"]) as temporary:
        appearance.save(figure, temporary)
    by_epoch = histories.groupby(["criterion", "level", "name", "epoch"], sort=False)["validation_accuracy"].mean()
    page = html_tables.page(
        figure.get_suptitle(),
        "<h2>Every mean</h2>",
        html_tables.table(means[means["kind"].isin(OF_KINDS)]),
        "<h2>Validation accuracy by epoch, means over networks</h2>",
        html_tables.table(by_epoch.unstack().reset_index()),
    )
    files.write_text(outputs["page"], page)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_redrawn(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
