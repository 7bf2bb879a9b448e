"""Draw what each statistic of one source does."""

import seaborn

from secateur.figures import curve_page
from secateur.jobs import script


def plot_statistics(inputs, outputs, source, options):
    colours = seaborn.color_palette("colorblind", len(options["statistics"])).as_hex()
    lines = {
        f"{source}.{statistic}": (statistic, colour)
        for statistic, colour in zip(options["statistics"], colours, strict=True)
    }
    curve_page.curves(inputs, outputs, lines, f"Statistics of {source}: {options['title']}")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_statistics(snakemake.input, snakemake.output, job.wildcards["source"], job.options)
