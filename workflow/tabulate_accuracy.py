"""Tabulate the accuracy of every criterion at every level, with intervals and with collapse marked."""

from secateur.analysis import intervals
from secateur.artifacts import files, tables
from secateur.figures import html_tables
from secateur.jobs import script
from secateur.study import levels, vocabulary


def tabulate_accuracy(curves, page):
    needed = ("budget", "keep_at_least", "criterion", "level", "accuracy", "accuracy_low", "accuracy_high", "collapsed")
    table = tables.read(curves, *needed)
    note = (
        "<p>Test accuracy in percent ± half the interval of its change against the dense network, or with [both its "
        "ends] where one is cut at 0 or 100 % or lies further from the accuracy than the other; a control of one draw "
        "has none, if there is one network. † a layer is empty in at least one network.</p>"
    )
    title = f"Accuracy by criterion and share of {vocabulary.BUDGETS[table['budget'].iloc[0]]} removed"
    parts = [part for floor, rows in table.groupby("keep_at_least", sort=False) for part in _of_floor(floor, rows)]
    files.write_text(page, html_tables.page(title, note, *parts))


def _of_floor(floor, rows):
    """The heading and the table of one floor."""
    kept = f"At least {levels.in_words(floor)} of the channels of every layer kept" if floor else "Without a floor"
    heading = f"<h2>{kept}</h2>"
    cells = rows.assign(cell=[_cell(row) for row in rows.itertuples()])
    wide = cells.pivot(index="criterion", columns="level", values="cell").loc[rows["criterion"].unique()]
    wide.columns = [f"{100 * level:g} %" for level in wide.columns]
    return heading, html_tables.table(wide.reset_index())


def _cell(row):
    low, high = (row.accuracy_low, row.accuracy_high) if row.level else (float("nan"),) * 2
    return f"{intervals.shown(row.accuracy, low, high)}{' †' if row.collapsed > 0 else ''}"


if "snakemake" in globals():
    with script.job(snakemake):
        tabulate_accuracy(snakemake.input.curves, snakemake.output.page)
