"""Tabulate the accuracy of every criterion at every level, with intervals and with collapse marked."""

import pandas

from secateur import files, jobs, pages, tables


def tabulate_accuracy(curves, page):
    table = tables.read(curves, "criterion", "level", "accuracy", "accuracy_low", "accuracy_high", "collapsed")
    cells = table.assign(cell=[_cell(row) for row in table.itertuples()])
    wide = cells.pivot(index="criterion", columns="level", values="cell").loc[table["criterion"].unique()]
    wide.columns = [f"{100 * level:g} %" for level in wide.columns]
    note = (
        "<p>Test accuracy in percent ± half the interval of its change against the dense network. "
        "† a layer is empty in at least one network.</p>"
    )
    title = "Accuracy by criterion and share of channels removed"
    files.write_text(page, pages.page(title, note, pages.table(wide.reset_index())))


def _cell(row):
    half = (row.accuracy_high - row.accuracy_low) / 2
    interval = "" if pandas.isna(half) or row.level == 0 else f" ± {100 * half:.1f}"
    return f"{100 * row.accuracy:.1f}{interval}{' †' if row.collapsed > 0 else ''}"


if "snakemake" in globals():
    with jobs.job(snakemake):
        tabulate_accuracy(snakemake.input.curves, snakemake.output.page)
