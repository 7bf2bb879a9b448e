"""Tabulate the accuracy of every criterion at every level, with intervals and with collapse marked."""

from secateur.analysis import intervals, wording
from secateur.artifacts import files, tables
from secateur.figures import html_tables
from secateur.jobs import script
from secateur.study import kinds, levels, vocabulary

MEASURED = ("level", "accuracy", "accuracy_low", "accuracy_high", "collapsed")
NEEDED = ("budget", "keep_at_least", "criterion", "recovery", *MEASURED)
NOTE = (
    "<p>Test accuracy in percent ± half the interval of its change against the dense network, or with [both its "
    "ends] where one is cut at 0 or 100 % or lies further from the accuracy than the other; a control of one draw "
    "has none, if there is one network. † a layer is empty in at least one network.</p>"
)
TREATED = (
    "<p>Each table is of one recovery, without training: the dense network, at 0 %, and the random control have been "
    "treated like the networks beside them.</p>"
)


def tabulate_accuracy(curves, page):
    table = tables.read(curves, *NEEDED)
    title = f"Accuracy by criterion and share of {vocabulary.BUDGETS[table['budget'].iloc[0]]} removed"
    parts = [NOTE]
    several = table["recovery"].nunique() > 1
    if several:
        parts.append(TREATED)
    for keys, rows in table.groupby(["keep_at_least", "recovery"], sort=False):
        floor, recovery = keys
        heading = _floor(floor)
        if several:
            heading += f", {kinds.KINDS[recovery].label}"
        parts.append(f"<h2>{heading}</h2>")
        parts.append(html_tables.table(_by_level(rows)))
    files.write_text(page, html_tables.page(title, *parts))


def _floor(floor):
    if not floor:
        return "Without a floor"
    return f"At least {levels.in_words(floor)} of the channels of every layer kept"


def _by_level(rows):
    """A row for each criterion, a column for each level."""
    columns = (rows[name] for name in MEASURED)
    cells = rows.assign(cell=list(map(intervals.cell, *columns)))
    wide = cells.pivot(index="criterion", columns="level", values="cell").loc[rows["criterion"].unique()]
    wide.columns = list(map(wording.percent, wide.columns))
    return wide.reset_index()


if "snakemake" in globals():
    with script.job(snakemake):
        tabulate_accuracy(snakemake.input.curves, snakemake.output.page)
