"""Draw which share of each layer goes at each level."""

from secateur import drawing, figures, files, jobs, pages, summary, tables


def plot_layers(inputs, outputs, source, options):
    mixes, title = options["mixes"], f"What each layer loses: {options['title']}, {drawing.named(source, options)}"
    criteria = [f"{source}.{mixes}", f"{options['weight']}.{mixes}", "random"]
    if options["combined"]:
        criteria.insert(2, f"combined.{source}")
    table = summary.on_test(tables.read(inputs.evaluations, "criterion", "seed", "budget", "keep_at_least", "level"))
    with files.replacing(outputs.figure) as temporary:
        figures.save(figures.layers(table, {name: name for name in criteria}, title), temporary)
    shares = figures.removed_shares(table)
    means = (
        shares[shares["criterion"].isin(criteria)].groupby(["criterion", "layer", "level"], sort=False)["share"].mean()
    )
    files.write_text(outputs.page, pages.page(title, pages.table(means.unstack().reset_index())))


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        plot_layers(snakemake.input, snakemake.output, job.wildcards["source"], job.options)
