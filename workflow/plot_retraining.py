"""Draw the accuracy of every kind of pruned network at equal widths, with a page of numbers and schedules."""

import pandas

from secateur.analysis import intervals
from secateur.analysis import retraining as analysis_retraining
from secateur.artifacts import files, tables
from secateur.figures import appearance, html_tables
from secateur.figures import retraining as figures_retraining
from secateur.jobs import script

NOTE = (
    "<p>± half the interval of the change against the dense network, or [both its ends] where one is cut at 0 or "
    "100 % or lies further from the accuracy than the other. "
    "With one network and one draw of a control there is no interval of the control or of a difference from it: one "
    "draw does not show the spread of others. † a layer is empty in at least one network; a network with the same "
    "logits for all images is not retrained, and without it there is no mean.</p>"
)


def plot_retraining(inputs, outputs, options):
    means = tables.read(
        inputs.means, *analysis_retraining.CELL, "accuracy", "accuracy_low", "accuracy_high", "collapsed"
    )
    rows = tables.read(inputs.table, *analysis_retraining.COLUMNS)
    figure = figures_retraining.of_study(means, rows, options)
    with files.replacing(outputs.figure) as temporary:
        appearance.save(figure, temporary)
    parts = [
        html_tables.facts(analysis_retraining.schedules(options)),
        "<h2>Test accuracy, %</h2>",
        html_tables.table(wide(means, options["kinds"])),
        NOTE,
        "<h2>Differences in points, with intervals</h2>",
        html_tables.table(differences(means)),
        "<h2>Every seed and draw</h2>",
        html_tables.table(rows),
    ]
    files.write_text(outputs.page, html_tables.page(figure.get_suptitle(), *parts))


def wide(means, kinds):
    """A row for each level and criterion, with the remaining cost, and a column for each kind."""
    keys = ["level", "criterion", "parameters", "macs"]
    cells = means.assign(cell=list(map(_cell, means.itertuples())))
    by_kind = cells.pivot(index=keys, columns="kind", values="cell")
    order = cells[keys].drop_duplicates().itertuples(index=False, name=None)
    return by_kind.loc[list(order), list(kinds)].fillna("").reset_index()


def _cell(row):
    if row.accuracy != row.accuracy:
        return "not retrained †"
    accuracy = intervals.shown(row.accuracy, row.accuracy_low, row.accuracy_high)
    return f"{accuracy} †" if row.collapsed > 0 else accuracy


def differences(means):
    """A column for each reference; a cell is not compared with itself."""
    rows = []
    for row in means.to_dict("records"):
        cells = {key: row[key] for key in analysis_retraining.CELL}
        for name in analysis_retraining.REFERENCES:
            cells[f"minus {name}"] = _difference(row, name)
        rows.append(cells)
    return pandas.DataFrame(rows)


def _difference(row, name):
    """The difference from a reference in points, with its interval where it has one."""
    cell = tuple(row[key] for key in analysis_retraining.CELL)
    change = row[f"versus_{name}"]
    if analysis_retraining.REFERENCES[name](*cell) == cell or change != change:
        return ""
    points = f"{100 * change:+z.1f}"
    low, high = row[f"versus_{name}_low"], row[f"versus_{name}_high"]
    if low != low:
        return points
    return f"{points} ({100 * low:+z.1f} to {100 * high:+z.1f})"


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_retraining(snakemake.input, snakemake.output, job.options)
