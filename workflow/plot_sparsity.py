"""Draw one figure of sparse networks, and the page of its numbers."""

from pathlib import Path

import pandas

from secateur import Refused
from secateur.analysis import intervals, sparsity
from secateur.artifacts import files, places, sparsity_table, tables
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
    heading, draw = figures_sparsity.FIGURES[options["figure"]]
    title, variants = f"{heading}: {options['title']}", options["variants"]
    means = tables.read(inputs["means"], *MEANS)
    rows = tables.read(inputs["table"], *sparsity.VARIANTS.gathered)
    parts = [html_tables.table(means), "<h2>Every seed</h2>", html_tables.table(rows)]
    if options["figure"] == "levels":
        drawn = draw(means, rows, variants, title)
        parts = ["<h2>Test accuracy, %</h2>", html_tables.table(wide(means)), NOTE, *parts]
    elif options["figure"] == "layers":
        drawn = draw(means, rows, variants, title)
    elif options["figure"] == "training":
        histories = read_histories(inputs["histories"], options["schedule"]["epochs"])
        drawn = draw(histories, variants, title)
        keys = ["variant", "level", "epoch"]
        by_epoch = histories.groupby(keys, sort=False).mean().drop(columns="seed").reset_index()
        parts = ["<h2>Means over seeds</h2>", html_tables.table(by_epoch)]
    else:
        drawn = draw(means, variants, title)
    with files.replacing(outputs["figure"]) as temporary:
        appearance.save(drawn, temporary)
    settings = ["<h2>Variants</h2>", html_tables.facts(variants), "<h2>Schedule</h2>"]
    page = html_tables.page(title, *parts, *settings, html_tables.facts(options["schedule"]))
    files.write_text(outputs["page"], page)


def read_histories(paths, epochs):
    """One table of all histories, with the variant, level and seed of their paths; Refused for one cut short."""
    parts = []
    for path in paths:
        variant, level = Path(path).parts[-3:-1]
        history = tables.read(path, "epoch", *figures_sparsity.COURSE)
        if len(history) != epochs or history.iloc[-1].isna().any():
            raise Refused(f"{path} is cut short: it has not all {epochs} epochs; delete it and run again")
        parts.append(history.assign(variant=variant, level=float(level), seed=places.seed_of(path)))
    return pandas.concat(parts, ignore_index=True)


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
