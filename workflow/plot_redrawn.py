"""Draw networks of equal widths that were trained from first weights, as they were and drawn anew."""

from pathlib import Path

import pandas

from secateur.artifacts import files, places, tables
from secateur.figures import appearance, html_tables
from secateur.figures import tickets as figures_tickets
from secateur.jobs import script
from secateur.study import vocabulary
from secateur.study.kinds import NONE
from secateur.study.reinitialisations import BY_NAME, OF_KINDS

CELL = ["criterion", "level", "kind"]
ENDING = ".history.csv"


def plot_redrawn(inputs, outputs, options):
    title = f"Channels by what their first weights keep: {options['title']}"
    rows = tables.read(inputs["table"], *CELL, "seed", "accuracy")
    means = tables.read(inputs["means"], *CELL, "accuracy", "accuracy_low", "accuracy_high")
    dense = rows.loc[(rows["level"] == 0) & (rows["kind"] == NONE.name), "accuracy"].mean()
    rows = rows.assign(criterion=rows["criterion"].map(vocabulary.without_draw))
    histories = pandas.concat(map(read, inputs["histories"]), ignore_index=True)
    panels = []
    for (criterion, level), own in histories.groupby(["criterion", "level"], sort=False):
        names = {kind: name for name, kind in OF_KINDS.items() if name in set(own["name"])}
        parts = [_of(part, criterion, level) for part in (own, rows, means)]
        order = {kind: names[kind] for kind in BY_NAME if kind in names}
        panels.append(figures_tickets.Panel(f"{100 * level:g} % by {criterion}", order, *parts))
    with files.replacing(outputs["figure"]) as temporary:
        appearance.save(figures_tickets.of_kinds(panels, dense, title), temporary)
    by_epoch = histories.groupby(["criterion", "level", "name", "epoch"], sort=False)["validation_accuracy"].mean()
    page = html_tables.page(
        title,
        "<h2>Every mean</h2>",
        html_tables.table(means[means["kind"].isin(OF_KINDS)]),
        "<h2>Validation accuracy by epoch, means over networks</h2>",
        html_tables.table(by_epoch.unstack().reset_index()),
    )
    files.write_text(outputs["page"], page)


def _of(table, criterion, level):
    """The rows of one criterion and level, of kinds that are a re-initialisation, under its name."""
    name = table["name"] if "name" in table else table["kind"]
    own = table[(table["criterion"] == criterion) & (table["level"] == level) & name.isin(OF_KINDS)]
    return own.assign(kind=(own["name"] if "name" in own else own["kind"]).map(OF_KINDS))


def read(path):
    """The epochs of one network, whose path names its criterion, level and kind."""
    criterion, level, name = Path(path).parts[-3:]
    history = tables.read(path, "epoch", "validation_accuracy")
    cell = {"criterion": vocabulary.without_draw(criterion), "level": float(level), "name": name.removesuffix(ENDING)}
    return history.assign(**cell, seed=places.seed_of(path))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_redrawn(dict(snakemake.input.items()), dict(snakemake.output.items()), job.options)
