"""Draw the stability of each reading's rankings over the count of images."""

import pandas

from secateur.analysis import stability
from secateur.artifacts import files
from secateur.figures import appearance, html_tables
from secateur.figures import stability as figures_stability
from secateur.jobs import script

NOTE = (
    "Spearman's correlation between two rankings of all channels, each by one half of the images so far: mean_abs, "
    "divided by the sum of its layer. One column for each reading and training seed; it ends at the count of images "
    "that were read."
)


def plot_stability(paths, outputs, options):
    curves = pandas.concat(map(stability.read, paths), ignore_index=True)
    figure = figures_stability.of_study(curves, options)
    with files.replacing(outputs.figure) as temporary:
        appearance.save(figure, temporary)
    wide = curves.pivot(index="images", columns=["reading", "seed"], values="spearman")
    wide.columns = [f"{reading}, seed {seed}" for reading, seed in wide.columns]
    title, numbers = figure.axes[0].get_title(), html_tables.table(wide.reset_index())
    files.write_text(outputs.page, html_tables.page(title, f"<p>{NOTE}</p>", numbers))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_stability(snakemake.input.curves, snakemake.output, job.options)
