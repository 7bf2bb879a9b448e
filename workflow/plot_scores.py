"""Draw every score, file and mixture of a study beside relevance, weights and the random control."""

import seaborn

from secateur import drawing, jobs


def plot_scores(inputs, outputs, options):
    """`criteria` are drawn in colours, the `beside` first and in black and brown."""
    colours = ["#000000", "#8c510a", *seaborn.husl_palette(len(options["criteria"]), s=0.85, l=0.55).as_hex()]
    names = [*options["beside"], *options["criteria"]]
    lines = {name: (name, colour) for name, colour in zip(names, colours, strict=True)}
    drawing.curves(inputs, outputs, lines, f"Criteria: {options['title']}")


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        plot_scores(snakemake.input, snakemake.output, job.options)
