"""Tabulate the thesis's printed accuracies beside ours, with intervals and with collapse marked."""

from pathlib import Path

import yaml

from secateur.analysis import averages
from secateur.artifacts import files, tables
from secateur.figures import html_tables
from secateur.jobs import script
from secateur.verdicts import thesis_numbers

NEEDED = ("criterion", "recovery", "keep_at_least", "level", "accuracy", "accuracy_low", "accuracy_high", "collapsed")
NOTE = (
    "Rows named <i>printed</i> are the thesis's, two digits and one network; the others are this study's, test "
    "accuracy in percent ± half the interval of its change against the dense network, or with [both its ends] where "
    "one is cut at 0 or 100 % or lies further from the accuracy than the other. "
    "† a layer is empty in at least one network. Another network and other images: no row has to agree."
)


def tabulate_thesis(curves, evaluations, typed, page, readings, weights):
    printed = thesis_numbers.read(typed / "thesis.csv")
    source = yaml.safe_load((typed / "thesis.yaml").read_text("utf-8"))
    means = tables.first_floor(tables.read(curves, *NEEDED))
    named = f"{source['author']}, <i>{source['title']}</i>, {source['institution']}, {source['year']}"
    parts = [f"<p>{named}. {NOTE}</p>"]
    for table in thesis_numbers.PRUNING:
        names = weights if table == "B.2" else weights[:1]
        rows = thesis_numbers.beside(printed, means, table, readings, names)
        parts += [f"<h2>Table {table}: {source['tables'][table]}</h2>", thesis_numbers.grid(rows)]
    evaluated = averages.on_test(tables.read(evaluations, "criterion", "recovery", "level"))
    dense = thesis_numbers.by_class(printed, evaluated)
    parts += [f"<h2>{source['tables']['3.2']}</h2>", html_tables.table(dense.map(_percent))]
    files.write_text(page, html_tables.page("The thesis's tables, printed and measured", *parts))


def _percent(value):
    """An accuracy in percent, nothing where there is none; the name of a class as it is."""
    if isinstance(value, str):
        return value
    return "" if value != value else f"{100 * value:.1f} %"


if "snakemake" in globals():
    with script.job(snakemake) as job:
        tabulate_thesis(
            snakemake.input.curves,
            snakemake.input.evaluations,
            Path(snakemake.scriptdir).parent / "report",
            snakemake.output.page,
            job.options["readings"],
            job.options["weights"],
        )
