"""Draw which share of each layer goes at each level."""

from secateur.analysis import averages
from secateur.artifacts import files, tables
from secateur.figures import appearance, curve_page, html_tables, layers
from secateur.jobs import script


def plot_layers(inputs, outputs, source, options):
    mixes, title = options["mixes"], f"What each layer loses: {options['title']}, {curve_page.named(source, options)}"
    criteria = [f"{source}.{mixes}", f"{options['weight']}.{mixes}", "random"]
    if options["combined"]:
        criteria.insert(2, f"combined.{source}")
    table = averages.on_test(tables.read(inputs.evaluations, "criterion", "seed", "budget", "keep_at_least", "level"))
    with files.replacing(outputs.figure) as temporary:
        appearance.save(layers.layers(table, {name: name for name in criteria}, title), temporary)
    shares = layers.removed_shares(table)
    means = (
        shares[shares["criterion"].isin(criteria)].groupby(["criterion", "layer", "level"], sort=False)["share"].mean()
    )
    files.write_text(outputs.page, html_tables.page(title, html_tables.table(means.unstack().reset_index())))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_layers(snakemake.input, snakemake.output, job.wildcards["source"], job.options)
