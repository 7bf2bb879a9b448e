"""Draw what each group of layers can lose, with a page of numbers."""

import pandas

from secateur.analysis import sensitivity
from secateur.artifacts import files, places, provenance, tables
from secateur.figures import appearance, html_tables
from secateur.figures import sensitivity as drawing
from secateur.jobs import script


def plot_sensitivity(measured, manifests, outputs, name, options):
    """`manifests` are those of the tables `measured`: they say how many networks were evaluated, and in what time."""
    table = pandas.concat(map(read, measured), ignore_index=True)
    whole = float(table.loc[table["group"] == sensitivity.WHOLE, "accuracy"].mean())
    table = table[table["group"] != sensitivity.WHOLE]
    title = f"What each group of layers can lose: {options['title']}, {name}"
    with files.replacing(outputs.figure) as temporary:
        appearance.save(drawing.curves(table, whole, title), temporary)
    costs = pandas.DataFrame(map(cost, manifests))
    parts = [
        f"<p>The whole network has {100 * whole:.2f} % of these images after the same recovery.</p>",
        html_tables.table(sensitivity.tolerated(table, whole)),
        "<h2>What was evaluated</h2>",
        html_tables.table(costs),
        "<h2>Every network</h2>",
        html_tables.table(table),
    ]
    files.write_text(outputs.page, html_tables.page(title, *parts))


def read(path):
    """The curves of one network, with the share of its units that each group has lost."""
    table = tables.read(path, *sensitivity.COLUMNS)
    return table.assign(
        seed=places.seed_of(path), share=(table["removed"] / table["units"]).where(table["units"] > 0, 0)
    )


COSTS = ("networks", "measured_now", "images", "recovery", "cpu_seconds")


def cost(manifest):
    """The networks behind the curves of one, those that the last run measured, and its CPU seconds."""
    facts = provenance.read(manifest)["measured"]
    return {
        "seed": places.seed_of(manifest),
        **{key: facts[key] for key in COSTS},
    }


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_sensitivity(
            snakemake.input.measured,
            snakemake.input.manifests,
            snakemake.output,
            job.wildcards["allocated"],
            job.options,
        )
