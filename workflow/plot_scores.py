"""Draw every score, file and mixture of a study beside relevance, weights and the random control."""

import seaborn

from secateur.figures import curve_page
from secateur.jobs import script

# Hues and lightness both differ, which evenly spread hues do not. Grey is the control's.
DISTINCT = [
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#17becf",
    "#e377c2",
    "#bcbd22",
    "#0b2a63",
    "#7fdd9f",
]


def plot_scores(inputs, outputs, options):
    """`criteria` are drawn in colours, the `beside` first: a reading in black, the weights, the last, in brown."""
    count = len(options["criteria"])
    others = DISTINCT if count <= len(DISTINCT) else seaborn.husl_palette(count, s=0.85, l=0.55).as_hex()
    colours = [*["#000000", "#8c510a"][-len(options["beside"]) :], *others[:count]]
    names = [*options["beside"], *options["criteria"]]
    lines = {name: (name, colour) for name, colour in zip(names, colours, strict=True)}
    curve_page.curves(inputs, outputs, lines, f"Criteria: {options['title']}")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_scores(snakemake.input, snakemake.output, job.options)
