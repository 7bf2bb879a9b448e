"""Draw where a ranking's merit lies: in how many channels it takes of each layer, or in which."""

from secateur.figures import curve_page
from secateur.jobs import script


def plot_controls(inputs, outputs, criterion, options):
    lines = {
        criterion: (f"{criterion}:\nits own shares, its own channels", "#0072b2"),
        f"shuffled.{criterion}": ("its own shares,\nrandom channels", "#e69f00"),
        f"uniform.{criterion}": ("equal shares,\nits own channels", "#009e73"),
        "uniform.random": ("equal shares,\nrandom channels", "#cc79a7"),
    }
    curve_page.curves(inputs, outputs, lines, f"How many of each layer, or which: {options['title']}, {criterion}")


if "snakemake" in globals():
    with script.job(snakemake) as job:
        name = f"{job.wildcards['source']}.{job.wildcards['statistic']}"
        plot_controls(snakemake.input, snakemake.output, name, job.options)
