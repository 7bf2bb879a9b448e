"""Draw what each group of layers can lose, with a page of numbers."""

import pandas

from secateur.analysis import sensitivity
from secateur.artifacts import files, places, provenance
from secateur.figures import appearance, html_tables
from secateur.figures import sensitivity as drawing
from secateur.jobs import script


def plot_sensitivity(measured, manifests, outputs, name, options):
    """`manifests` are those of the tables `measured`: they say how many networks were evaluated, and in what time."""
    table = pandas.concat(map(sensitivity.read, measured), ignore_index=True)
    figure, whole = drawing.of_criterion(table, name, options["title"]), sensitivity.accuracy_of_whole(table)
    table = table[table["group"] != sensitivity.WHOLE]
    with files.replacing(outputs.figure) as temporary:
        appearance.save(figure, temporary)
    costs = pandas.DataFrame(map(cost, manifests))
    parts = [
        f"<p>The whole network has {100 * whole:.2f} % of these images after the same recovery.</p>",
        html_tables.table(sensitivity.tolerated(table, whole)),
        "<h2>What was evaluated</h2>",
        html_tables.table(costs),
        "<h2>Every network</h2>",
        html_tables.table(table),
    ]
    files.write_text(outputs.page, html_tables.page(figure.axes[0].get_title(), *parts))


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
