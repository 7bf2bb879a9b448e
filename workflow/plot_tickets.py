"""Draw one figure of tickets, and the page of its numbers."""

import pandas

from secateur.analysis import intervals, sparsity, tickets
from secateur.artifacts import files, tables, tickets_table
from secateur.figures import appearance, html_tables
from secateur.figures import tickets as figures_tickets
from secateur.jobs import script
from secateur.study.reinitialisations import BY_NAME

MEANS = (*tickets_table.CELL, "sparsity", "accuracy", "accuracy_low", "accuracy_high")


def plot_tickets(inputs, outputs, options):
    masks = tables.read(inputs["masks"], *tickets_table.OF_MASKS)
    means = tables.read(inputs["means"], *MEANS)
    rows = tables.read(inputs["table"], *tickets.KINDS.gathered)
    epochs = options["schedule"]["epochs"] - options["rewind"]
    histories = sparsity.histories(inputs["histories"], epochs, tickets.named)
    drawn = figures_tickets.of_study(means, rows, masks, histories, options)
    if options["figure"] == "layers":
        by_layer = masks.groupby(["round", "sparsity", "layer"], sort=False)["left"].agg(["mean", "min", "max"])
        parts = ["<h2>Share of weights left</h2>", html_tables.table(by_layer.reset_index())]
    else:
        by_epoch = histories.groupby(["round", "kind", "epoch"], sort=False)["validation_accuracy"].mean()
        parts = [
            "<h2>Test accuracy, %</h2>",
            html_tables.table(wide(means)),
            "<h2>Validation accuracy by epoch, means over seeds</h2>",
            html_tables.table(by_epoch.unstack().reset_index()),
            "<h2>Every mean</h2>",
            html_tables.table(means),
            "<h2>Every seed</h2>",
            html_tables.table(rows),
        ]
    with files.replacing(outputs["figure"]) as temporary:
        appearance.save(drawn, temporary)
    settings = ["<h2>Schedule</h2>", html_tables.facts(options["schedule"] | {"rewind": options["rewind"]})]
    files.write_text(outputs["page"], html_tables.page(drawn.get_suptitle(), *parts, *settings))


def wide(means):
    """A row for each kind and round: accuracy, and the differences in points, each with its interval."""
    rows = []
    for row in means.to_dict("records"):
        cells = {"zeros": f"{100 * row['sparsity']:.4g} %", "kind": row["kind"], "seeds": row["seeds"]}
        cells["keeps"] = BY_NAME[row["kind"]].keeps if row["kind"] in BY_NAME else "all weights"
        cells["accuracy"] = intervals.shown(row["accuracy"], row["accuracy_low"], row["accuracy_high"])
        for name in tickets.KINDS.references:
            cells[f"minus {name}"] = intervals.in_points(row, f"versus_{name}")
        rows.append(cells)
    return pandas.DataFrame(rows)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_tickets(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
