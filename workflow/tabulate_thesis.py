"""Tabulate the thesis's printed accuracies beside ours, with intervals and with collapse marked."""

from pathlib import Path

import yaml

from secateur.analysis import averages
from secateur.artifacts import files, tables
from secateur.figures import html_tables
from secateur.jobs import script
from secateur.verdicts import thesis_numbers


def tabulate_thesis(curves, evaluations, typed, page, readings, weights):
    printed, about = (
        thesis_numbers.read(typed / "thesis.csv"),
        yaml.safe_load((typed / "thesis.yaml").read_text("utf-8")),
    )
    needed = ("criterion", "keep_at_least", "level", "accuracy", "accuracy_low", "accuracy_high", "collapsed")
    means = tables.first_floor(tables.read(curves, *needed))
    note = (
        f"<p>{about['author']}, <i>{about['title']}</i>, {about['institution']}, {about['year']}. Rows named "
        "<i>printed</i> are the thesis's, two digits and one network; the others are this study's, test accuracy in "
        "percent ± half the interval of its change against the dense network, or with [both its ends] where one is "
        "cut at 0 or 100 % or lies further from the accuracy than the other. "
        "† a layer is empty in at least one network. Another network and other images: no row has to agree.</p>"
    )
    parts = [note]
    for table in thesis_numbers.PRUNING:
        names = weights if table == "B.2" else weights[:1]
        rows = thesis_numbers.beside(printed, means, table, readings, names)
        parts += [f"<h2>Table {table}: {about['tables'][table]}</h2>", thesis_numbers.grid(rows)]
    dense = thesis_numbers.by_class(printed, averages.on_test(tables.read(evaluations, "criterion", "level")))
    parts += [f"<h2>{about['tables']['3.2']}</h2>", html_tables.table(dense.map(_percent))]
    files.write_text(page, html_tables.page("The thesis's tables, printed and measured", *parts))


def _percent(value):
    return value if isinstance(value, str) else "" if value != value else f"{100 * value:.1f} %"


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
