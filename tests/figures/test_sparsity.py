"""Figures of sparse networks: which variants make a line over the share that is dropped, and what is drawn."""

import pandas

from secateur.figures import sparsity
from secateur.study.sparse import families

FEATHER = {"scale": "const", "schedule": "cubic", "drop": 0, "drop_rule": None}
SLOW = FEATHER | {"schedule": "adaptive"}


def dropping(share, rule="magnitude", **others):
    return FEATHER | {"drop": share, "drop_rule": rule} | others


def test_a_line_over_the_dropped_share_joins_variants_that_differ_in_nothing_else():
    variants = {
        "feather": FEATHER,
        "slow": SLOW,
        "all": dropping(1),
        "half": dropping(0.5),
        "oldest": dropping(0.5, "age"),
        "slow_half": dropping(0.5, schedule="adaptive"),
        "alone": dropping(0.5, scale="step"),
    }
    assert families(variants) == {
        "magnitude, as feather": ["feather", "half", "all"],
        "age, as feather": ["feather", "oldest"],
        "magnitude, as slow": ["slow", "slow_half"],
    }


def test_every_variant_has_a_colour_of_its_own_and_feather_is_black():
    coloured = sparsity.colours({"a": SLOW, "feather": FEATHER, "b": dropping(1)})
    assert coloured["feather"] == "#000000" and len({*coloured.values()}) == 3


def test_levels_without_a_second_share_have_no_panel():
    rows = [("dense", 0.0, 0.9, 1.0), ("feather", 0.9, 0.8, 1.0), ("half", 0.9, 0.7, 0.5), ("feather", 0.98, 0.6, 1.0)]
    means = pandas.DataFrame(rows, columns=["variant", "level", "accuracy", "gradient_density"])
    means = means.assign(accuracy_low=means["accuracy"] - 0.01, accuracy_high=means["accuracy"] + 0.01, collapsed=0)
    figure = sparsity.dropped(means, {"feather": FEATHER, "half": dropping(0.5)}, "title")
    by_share, by_density = figure.axes
    (line,) = [line for line in by_share.lines if line.get_label() == "magnitude, as feather"]
    assert list(line.get_xdata()) == [0, 0.5] and list(line.get_ydata()) == [0.8, 0.7]
    (line,) = [line for line in by_density.lines if line.get_label() == "magnitude, as feather"]
    assert list(line.get_xdata()) == [1, 0.5]
