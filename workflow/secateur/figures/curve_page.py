"""From the study's tables to one figure and the page with its numbers: what all plot scripts share."""

from collections.abc import Mapping
from typing import Any

from secateur.analysis import averages, intervals
from secateur.artifacts import files, tables
from secateur.figures import appearance, html_tables
from secateur.figures import curves as figures_curves
from secateur.study import vocabulary

SHOWN = (
    "budget", "keep_at_least", "criterion", "level", "seeds", "units", "realised", "parameters", "macs",
    "accuracy", "accuracy_low", "accuracy_high", "loss", "loss_low", "loss_high",
    "versus_random", "versus_random_low", "versus_random_high", "collapsed",
)  # fmt: skip
SINGLE = (
    "keep_at_least", "criterion", "level", "units", "realised", "parameters", "macs", "accuracy", "loss", "empty",
)  # fmt: skip


def curves(inputs: Any, outputs: Any, lines: Mapping[str, tuple[str, str]], title: str, floors: bool = False) -> None:
    """Draw {criterion: (label, colour)} and the random control; `inputs` and `outputs` have Snakemake's names.

    `floors` draws every floor, the first as usual and the others dashed; without it only the first is shown.
    """
    means, single = (
        tables.read(inputs.curves, *SHOWN),
        tables.read(inputs.evaluations, "seed", "split", "images", *SINGLE),
    )
    first = averages.on_test(single)
    count = int(first["images"].iloc[0])
    low, high = intervals.wilson(0.9 * count, count)
    note = f"{count} test images: chance among them alone leaves 90 % within {100 * low:.1f} to {100 * high:.1f} %"
    with files.replacing(outputs.figure) as temporary:
        drawn = means if floors else averages.on_test(means)
        appearance.save(figures_curves.curves(drawn, first, lines, f"{title}\n{note}"), temporary)
    shown = drawn[drawn["criterion"].isin([*lines, "random"])][list(SHOWN)]
    parts = [
        html_tables.table(shown),
        "<h2>Every seed and draw</h2>",
        html_tables.table(_single(single, lines, floors)),
    ]
    files.write_text(outputs.page, html_tables.page(title, *parts))


def named(source: str, options: Mapping[str, Any]) -> str:
    """What a figure shows, for its title: a reading, or the weights."""
    return f"reading {source}" if options["reading"] else source


def _single(evaluations, lines, floors):
    rows = evaluations[evaluations["split"] == "test"] if floors else averages.on_test(evaluations)
    rows = rows[rows["criterion"].map(vocabulary.without_draw).isin([*lines, "random"])]
    return rows[["seed", *SINGLE]].fillna("")
