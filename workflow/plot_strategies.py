"""Draw the strategies: relevance, weight, both in turns where the study combines them, random."""

from secateur.figures import curve_page
from secateur.jobs import script


def plot_strategies(inputs, outputs, reading, options):
    mixes = options["mixes"]
    lines = {
        f"{reading}.{mixes}": (f"{reading}.{mixes}", "#0072b2"),
        f"{options['weight']}.{mixes}": (f"{options['weight']}.{mixes}", "#d55e00"),
    }
    if options["combined"]:
        lines[f"combined.{reading}"] = (f"combined.{reading}", "#009e73")
    count = "Four" if options["combined"] else "Three"
    curve_page.curves(inputs, outputs, lines, f"{count} strategies: {options['title']}, reading {reading}")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_strategies(snakemake.input, snakemake.output, job.wildcards["reading"], job.options)
