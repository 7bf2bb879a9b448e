"""Draw the accuracy by epoch after pruning, with the epochs that each kind needs to where retraining ends."""

import pandas

from secateur.analysis import epochs
from secateur.artifacts import files
from secateur.figures import appearance, html_tables
from secateur.figures import epochs as figures_epochs
from secateur.jobs import script

NOTE = (
    f"<p><code>reached</code> counts the networks whose validation accuracy came to {100 * epochs.SHARE:g} % of the "
    "end of the same network as <code>retrained</code>, by the cross-entropy and SGD. <code>epochs_until</code> is the "
    "mean over these alone: where fewer got there, it says nothing of the others.</p>"
)


def plot_epochs(histories, outputs, options):
    table = pandas.concat(map(epochs.read, histories), ignore_index=True)
    figure = figures_epochs.of_study(table, options)
    with files.replacing(outputs.figure) as temporary:
        appearance.save(figure, temporary)
    reached = epochs.until(table)
    parts = [
        "<h2>Epochs until the end of retraining</h2>",
        html_tables.table(epochs.means(table, reached)),
        NOTE,
        "<h2>Every network</h2>",
        html_tables.table(reached),
        "<h2>Every epoch</h2>",
        html_tables.table(table),
    ]
    files.write_text(outputs.page, html_tables.page(figure.get_suptitle(), *parts))


if "snakemake" in globals():
    with script.job(snakemake) as job:
        plot_epochs(snakemake.input.histories, snakemake.output, job.options)
