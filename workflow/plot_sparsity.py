"""Draw one figure of sparse networks, and the page of its numbers."""

import pandas

from secateur.analysis import intervals, sparsity
from secateur.artifacts import files, sparsity_table, tables
from secateur.figures import appearance, html_tables
from secateur.figures import sparsity as figures_sparsity
from secateur.jobs import script

MEANS = (*sparsity_table.CELL, "accuracy", "accuracy_low", "accuracy_high", "collapsed", "gradient_density")
NOTE = (
    "<p>Zero weights without a pattern, and weights without gradients, make no step and no prediction faster on "
    "hardware that computes with dense tensors: <code>macs_left</code> counts multiply-adds by weights that are not "
    "zero, which only sparse kernels save, and <code>bytes_compressed</code> is what packing the file saves.</p>"
)


def plot_sparsity(inputs, outputs, options):
    means = tables.read(inputs["means"], *MEANS)
    rows = tables.read(inputs["table"], *sparsity.VARIANTS.gathered)
    histories = sparsity.histories(
        inputs["histories"], options["schedule"]["epochs"], sparsity.named, figures_sparsity.COURSE
    )
    drawn = figures_sparsity.of_study(means, rows, histories, options)
    parts = [html_tables.table(means), "<h2>Every seed</h2>", html_tables.table(rows)]
    if options["figure"] == "levels":
        parts = ["<h2>Test accuracy, %</h2>", html_tables.table(wide(means)), NOTE, *parts]
    elif options["figure"] == "training":
        keys = ["variant", "level", "epoch"]
        by_epoch = histories.groupby(keys, sort=False).mean().drop(columns="seed").reset_index()
        parts = ["<h2>Means over seeds</h2>", html_tables.table(by_epoch)]
    with files.replacing(outputs["figure"]) as temporary:
        appearance.save(drawn, temporary)
    settings = ["<h2>Variants</h2>", html_tables.facts(options["variants"]), "<h2>Schedule</h2>"]
    page = html_tables.page(drawn.get_suptitle(), *parts, *settings, html_tables.facts(options["schedule"]))
    files.write_text(outputs["page"], page)


def wide(means):
    """A row for each variant and level: accuracy, and the differences in points, each with its interval."""
    rows = []
    for row in means.to_dict("records"):
        cells = {key: row[key] for key in ("level", "variant", "seeds")}
        cells["accuracy"] = intervals.shown(row["accuracy"], row["accuracy_low"], row["accuracy_high"])
        for name in sparsity.VARIANTS.references:
            cells[f"minus {name}"] = intervals.in_points(row, f"versus_{name}")
        cells["empty layer"] = f"{100 * row['collapsed']:g} %" if row["collapsed"] else ""
        rows.append(cells)
    return pandas.DataFrame(rows)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_sparsity(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
