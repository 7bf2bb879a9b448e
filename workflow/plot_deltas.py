"""Draw the mixed lists from delta 0, weights alone, to delta 1, relevance alone."""

import seaborn

from secateur.figures import curve_page
from secateur.jobs import script


def plot_deltas(inputs, outputs, reading, options):
    colours = seaborn.color_palette("viridis", len(options["deltas"])).as_hex()
    lines = {
        f"mixed.{reading}.{delta}": (f"delta {delta}", colour)
        for delta, colour in zip(options["deltas"], colours, strict=True)
    }
    curve_page.curves(inputs, outputs, lines, f"Mixed lists by delta: {options['title']}, reading {reading}")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_deltas(snakemake.input, snakemake.output, job.wildcards["reading"], job.options)
