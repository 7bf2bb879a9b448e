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


def test_layers_that_are_empty_in_one_network_are_marked_and_every_variant_is_named():
    columns = ["variant", "level", "left.conv1.weight", "left.fc.weight"]
    rows = [("feather", 0.9, 0.2, 0.1), ("feather", 0.9, 0.2, 0.0), ("late", 0.98, 0.1, 0.1)]
    rows = pandas.DataFrame(rows, columns=columns)
    means = pandas.concat([rows.groupby(["variant", "level"]).mean().reset_index()])
    figure = sparsity.layers(means, rows, {"feather": FEATHER, "late": dropping(0.5)}, "title")
    figure.canvas.draw()
    above, below = figure.axes
    crosses = [[line for line in panel.lines if line.get_marker() == "x"] for panel in (above, below)]
    assert [list(line.get_xdata()) for line in crosses[0]] == [[1]] and crosses[1] == []
    assert crosses[0][0].get_color() == "#000000" and above.get_position().height > 0.2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["feather", "of all layers", "late"]


def test_one_level_has_a_place_for_each_variant():
    rows = [("dense", 0.0, 0.9), ("feather", 0.9, 0.8), ("half", 0.9, 0.7)]
    means = pandas.DataFrame(rows, columns=["variant", "level", "accuracy"])
    means = means.assign(accuracy_low=means["accuracy"] - 0.01, accuracy_high=means["accuracy"] + 0.01, collapsed=0)
    figure = sparsity.levels(means, means, {"feather": FEATHER, "half": dropping(0.5)}, "title")
    (panel,) = figure.axes
    assert [label.get_text() for label in panel.get_xticklabels()] == ["feather", "half"]
    assert panel.get_xscale() == "linear" and panel.get_xlabel() == "variants, all at 90 % zero weights"
