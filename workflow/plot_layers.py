"""Draw the share of each layer that is removed at each level."""

from secateur.analysis import averages
from secateur.artifacts import files, tables
from secateur.figures import appearance, curve_page, html_tables, layers
from secateur.jobs import script


def plot_layers(inputs, outputs, source, options):
    statistic, shown_source = options["statistic"], curve_page.named(source, options)
    title = f"Removed share of each layer: {options['title']}, {shown_source}"
    criteria = [f"{source}.{statistic}", f"{options['weight']}.{statistic}", "random"]
    if options["combined"]:
        criteria.insert(2, f"combined.{source}")
    evaluations = tables.read(inputs.evaluations, "criterion", "recovery", "seed", "budget", "keep_at_least", "level")
    evaluations = averages.on_test(evaluations)
    with files.replacing(outputs.figure) as temporary:
        labels = {name: name for name in criteria}
        appearance.save(layers.layers(evaluations, labels, title), temporary)
    shares = layers.removed_shares(evaluations)
    drawn = shares[shares["criterion"].isin(criteria)]
    means = drawn.groupby(["criterion", "layer", "level"], sort=False)["share"].mean()
    table = html_tables.table(means.unstack().reset_index())
    files.write_text(outputs.page, html_tables.page(title, table))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_layers(snakemake.input, snakemake.output, job.wildcards["source"], job.options)
