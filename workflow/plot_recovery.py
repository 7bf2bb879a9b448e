"""Draw the accuracy of every criterion before and after each recovery, with a page of numbers."""

import pandas

from secateur.analysis import intervals, retraining, wording
from secateur.artifacts import files
from secateur.figures import appearance, curve_page, html_tables, lines, recoveries
from secateur.jobs import script
from secateur.study.kinds import KINDS, NONE

NOTE = (
    "<p>Test accuracy in percent ± half the interval of its change against the dense network <i>treated alike</i>, or "
    "with [both its ends] where one is cut at 0 or 100 % or lies further from the accuracy than the other. Gains are "
    "paired, of the same pruned networks. The row <i>dense</i> is the network before pruning, as it is and after "
    "each recovery. With one network and one draw of a control there is no interval of the control. † a layer is empty "
    "in at least one network.</p>"
)


def plot_recovery(inputs, outputs, options):
    drawn, labels = lines.recovery(options), {name: KINDS[name].label for name in options["recoveries"]}
    picture = recoveries.drawn(inputs, options)
    means = picture.means
    with files.replacing(outputs.figure) as temporary:
        appearance.save(picture.figure, temporary)
    numbers = curve_page.of_lines(means, means["criterion"], drawn.lines)
    parts = [
        html_tables.facts(retraining.schedules(options)),
        "<h2>Test accuracy of every criterion, %</h2>",
        html_tables.table(wide(means, labels)),
        NOTE,
        "<h2>The lines as numbers</h2>",
        html_tables.table(numbers[["recovery", *curve_page.MEANS]]),
    ]
    files.write_text(outputs.page, html_tables.page(drawn.title, *parts))


def wide(means, labels):
    """A row for each level and criterion, with the remaining cost, a column for each recovery, and its gain."""
    keys = ["level", "criterion", "parameters", "macs"]
    rows = _dense_once(means).sort_values("level", kind="stable")
    order = rows[keys].drop_duplicates().itertuples(index=False, name=None)
    columns = {}
    for name, label in labels.items():
        own = rows[rows["recovery"] == name].set_index(keys)
        columns[label] = pandas.Series(list(map(_cell, own.itertuples())), own.index)
        if name != NONE.name:
            columns[f"gain by {label}, points"] = pandas.Series(list(map(_gain, own.itertuples())), own.index)
    return pandas.DataFrame(columns).loc[list(order)].reset_index()


def _dense_once(means):
    """The rows of pruned networks, and of the dense one, which is level 0 of every criterion, a single one."""
    dense = means[(means["level"] == 0) & (means["criterion"] == means["criterion"].iloc[0])]
    return pandas.concat([dense.assign(criterion="dense"), means[means["level"] > 0]])


def _cell(row):
    shown = intervals.shown(row.accuracy, row.accuracy_low, row.accuracy_high)
    if row.Index[0] == 0:
        shown = f"{100 * row.accuracy:.1f}"
    return f"{shown}{wording.dagger(row.collapsed)}"


def _gain(row):
    return wording.interval(row.versus_none, row.versus_none_low, row.versus_none_high)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_recovery(snakemake.input, snakemake.output, job.options)
