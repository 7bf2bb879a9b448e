"""Draw one figure of curves, and the page of its numbers."""

from secateur.figures import curve_page, lines
from secateur.jobs import script

if "snakemake" in globals():
    with script.job(snakemake) as job:
        figure = lines.FIGURES[job.options["figure"]](job.options)
        curve_page.curves(snakemake.input, snakemake.output, figure.lines, figure.title, figure.floors, figure.widths)
