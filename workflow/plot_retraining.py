"""Draw what BatchNorm statistics, retraining and fresh weights make of the same widths, and print the schedule."""

import pandas

from secateur.analysis import intervals
from secateur.analysis import retraining as analysis_retraining
from secateur.artifacts import files, tables
from secateur.figures import appearance, html_tables
from secateur.figures import retraining as figures_retraining
from secateur.jobs import script
from secateur.study import vocabulary

NOTE = (
    "<p>± half the interval of the change against the dense network, or [both its ends] where one is cut at 0 or "
    "100 % or lies further from the accuracy than the other. "
    "Of one network and one draw of a control there is no interval of the control, and none of a difference to it: one "
    "draw does not tell how far others would lie from it. † a layer is empty in at least one network; one "
    "that gives every image the same answer is not retrained, and without it there is no mean.</p>"
)


def plot_retraining(inputs, outputs, options):
    means = tables.read(
        inputs.means, *analysis_retraining.CELL, "accuracy", "accuracy_low", "accuracy_high", "collapsed"
    )
    rows = tables.read(inputs.table, *analysis_retraining.COLUMNS)
    title = f"After retraining: {options['title']}"
    criteria = dict.fromkeys(vocabulary.without_draw(name) for name in options["criteria"])
    criteria.pop("random", None)
    with files.replacing(outputs.figure) as temporary:
        appearance.save(
            figures_retraining.recovery(means, rows, criteria, options["kinds"], title, options["budget"]), temporary
        )
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
    files.write_text(outputs.page, html_tables.page(title, *parts))


def wide(means, kinds):
    """A row for each level and criterion, with what is left and a column for each kind."""
    keys = ["level", "criterion", "parameters", "macs"]
    cells = means.assign(cell=[_cell(row) for row in means.itertuples()])
    found = cells.pivot(index=keys, columns="kind", values="cell")
    order = cells[keys].drop_duplicates().itertuples(index=False, name=None)
    return found.loc[list(order), list(kinds)].fillna("").reset_index()


def _cell(row):
    if row.accuracy != row.accuracy:
        return "not retrained †"
    shown = intervals.shown(row.accuracy, row.accuracy_low, row.accuracy_high)
    return f"{shown}{' †' if row.collapsed > 0 else ''}"


def differences(means):
    """A column for each reference; a cell is not compared with itself."""
    return pandas.DataFrame(
        {key: row[key] for key in analysis_retraining.CELL}
        | {f"minus {name}": _difference(row, name) for name in analysis_retraining.REFERENCES}
        for row in means.to_dict("records")
    )


def _difference(row, name):
    own, change = tuple(row[key] for key in analysis_retraining.CELL), row[f"versus_{name}"]
    if analysis_retraining.REFERENCES[name](*own) == own or change != change:
        return ""
    low, high = (100 * row[f"versus_{name}_{side}"] for side in ("low", "high"))
    return f"{100 * change:+.1f}" + (f" ({low:+.1f} to {high:+.1f})" if low == low else "")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_retraining(snakemake.input, snakemake.output, job.options)
