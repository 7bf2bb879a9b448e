"""Draw the share of each layer that is removed at each level."""

from secateur.analysis import averages
from secateur.artifacts import files, tables
from secateur.figures import appearance, html_tables, layers
from secateur.jobs import script


def plot_layers(inputs, outputs, source, options):
    evaluations = tables.read(inputs.evaluations, "criterion", "recovery", "seed", "budget", "keep_at_least", "level")
    evaluations = averages.on_test(evaluations)
    figure = layers.of_source(evaluations, source, options)
    with files.replacing(outputs.figure) as temporary:
        appearance.save(figure, temporary)
    shares = layers.removed_shares(evaluations)
    drawn = shares[shares["criterion"].isin(layers.criteria_of(source, options))]
    means = drawn.groupby(["criterion", "layer", "level"], sort=False)["share"].mean()
    table = html_tables.table(means.unstack().reset_index())
    files.write_text(outputs.page, html_tables.page(figure.get_suptitle(), table))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_layers(snakemake.input, snakemake.output, job.wildcards["source"], job.options)
