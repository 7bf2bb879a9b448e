"""Draw the strategies without and with a floor that keeps a part of every layer."""

from secateur.figures import curve_page
from secateur.jobs import script


def plot_floors(inputs, outputs, source, options):
    mixes = options["mixes"]
    lines = {
        f"{source}.{mixes}": (f"{source}.{mixes}", "#0072b2"),
        f"{options['weight']}.{mixes}": (f"{options['weight']}.{mixes}", "#d55e00"),
    }
    title = f"With and without a floor: {options['title']}, {curve_page.named(source, options)}"
    curve_page.curves(inputs, outputs, lines, title, floors=True)


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_floors(snakemake.input, snakemake.output, job.wildcards["source"], job.options)
