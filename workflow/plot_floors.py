"""Draw the strategies without and with a floor that keeps a part of every layer."""

from secateur import drawing, jobs


def plot_floors(inputs, outputs, reading, options):
    mixes = options["mixes"]
    lines = {
        f"{reading}.{mixes}": (f"{reading}.{mixes}", "#0072b2"),
        f"{options['weight']}.{mixes}": (f"{options['weight']}.{mixes}", "#d55e00"),
    }
    title = f"With and without a floor: {options['title']}, reading {reading}"
    drawing.curves(inputs, outputs, lines, title, floors=True)


if "snakemake" in globals():
    with jobs.job(snakemake) as job:
        plot_floors(snakemake.input, snakemake.output, job.wildcards["reading"], job.options)
