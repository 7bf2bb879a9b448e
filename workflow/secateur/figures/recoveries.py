"""The figure of every criterion before and after each recovery, from the study's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas

from secateur.analysis import averages
from secateur.artifacts import tables
from secateur.figures import curve_page, curves, lines
from secateur.study.kinds import KINDS

VERSUS_NONE = ("versus_none", "versus_none_low", "versus_none_high")


def drawn(inputs: Any, options: Mapping[str, Any]) -> curve_page.Drawn:
    """The figure by the options of `page_options.recovery_figure`; `inputs` has Snakemake's names."""
    means = tables.read(inputs.curves, "recovery", *curve_page.MEANS, *VERSUS_NONE)
    first = [tables.first_floor(means, name) for name in options["recoveries"]]
    means = pandas.concat(first, ignore_index=True)
    evaluations = averages.on_test(tables.read(inputs.evaluations, "recovery", "split", "images", *curve_page.SINGLE))
    shown, labels = lines.recovery(options), {name: KINDS[name].label for name in options["recoveries"]}
    title = f"{shown.title}\n{curve_page.of_test_images(int(evaluations['images'].iloc[0]))}"
    rings = curve_page.rings(inputs, shown.widths, means["level"].unique())
    figure = curves.by_recovery(means, curves.chance_of(evaluations), shown.lines, labels, title, rings)
    return curve_page.Drawn(figure, means, evaluations)
