"""From the study's tables to one figure and the page with its numbers: what all plot scripts share."""

from secateur import figures, files, pages, tables

SHOWN = (
    "criterion", "level", "seeds", "units", "parameters", "macs", "accuracy", "accuracy_low", "accuracy_high",
    "loss", "loss_low", "loss_high", "versus_random", "versus_random_low", "versus_random_high", "collapsed",
)  # fmt: skip


def curves(inputs, outputs, lines, title):
    """Draw {criterion: (label, colour)} and the random control; `inputs` and `outputs` have Snakemake's names."""
    means, single = (
        tables.read(inputs.curves, *SHOWN),
        tables.read(inputs.evaluations, "criterion", "seed", "level"),
    )
    with files.replacing(outputs.figure) as temporary:
        figures.save(figures.curves(means, single, lines, title), temporary)
    shown = means[means["criterion"].isin([*lines, "random"])]
    files.write_text(outputs.page, pages.page(title, pages.table(shown[list(SHOWN)])))
