"""From the study's tables to one figure and the page with its numbers: what all plot scripts share."""

from secateur import figures, files, intervals, pages, tables

SHOWN = (
    "criterion", "level", "seeds", "units", "parameters", "macs", "accuracy", "accuracy_low", "accuracy_high",
    "loss", "loss_low", "loss_high", "versus_random", "versus_random_low", "versus_random_high", "collapsed",
)  # fmt: skip


def curves(inputs, outputs, lines, title):
    """Draw {criterion: (label, colour)} and the random control; `inputs` and `outputs` have Snakemake's names."""
    means, single = (
        tables.read(inputs.curves, *SHOWN),
        tables.read(inputs.evaluations, "criterion", "seed", "level", "images"),
    )
    floor = 100 * intervals.binomial_floor(0.9, count := int(single["images"].iloc[0]))
    note = f"{count} test images: chance among them alone moves an accuracy of 90 % by ± {floor:.1f} points"
    with files.replacing(outputs.figure) as temporary:
        figures.save(figures.curves(means, single, lines, f"{title}\n{note}"), temporary)
    shown = means[means["criterion"].isin([*lines, "random"])][list(SHOWN)]
    parts = [pages.table(shown), "<h2>Every seed and draw</h2>", pages.table(_single(single, lines))]
    files.write_text(outputs.page, pages.page(title, *parts))


def _single(evaluations, lines):
    criterion = evaluations["criterion"]
    rows = evaluations[criterion.isin(lines) | criterion.str.startswith("random.")]
    return rows[["criterion", "seed", "level", "units", "macs", "accuracy", "loss", "empty"]].fillna("")
