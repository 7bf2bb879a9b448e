"""Figures and their captions: what is drawn is what is said."""

import itertools
import os
import re
import subprocess
import sys

import jinja2
import pandas
import pytest

from secateur.figures import appearance, curves, layers, retraining, stability
from secateur.study import settings
from secateur.study.kinds import KINDS
from support.studies import ROOT

LEVELS = (0.0, 0.3, 0.6)
LEAST = {"data": {"source": "digits", "size": 16}, "model": {"name": "vgg_small"}}


def table(criteria, without=()):
    rows = [
        {
            "budget": "units", "keep_at_least": 0, "criterion": criterion, "level": level, "macs": 1 - level,
            **{key: value for name, middle in (("accuracy", 0.9 - level), ("loss", 0.5 + level)) for key, value in (
                (name, middle), (f"{name}_low", middle - 0.1), (f"{name}_high", middle + 0.1))},
            "collapsed": 0,
        }
        for criterion in criteria
        for level in LEVELS
    ]  # fmt: skip
    found = pandas.DataFrame(rows)
    gone = found["criterion"].isin(without)
    found.loc[gone, ["accuracy_low", "accuracy_high", "loss_low", "loss_high"]] = float("nan")
    return found


def bands(figure, panel):
    return [band for band in figure.axes[panel].collections if len(band.get_paths()[0].vertices)]


@pytest.mark.parametrize("count", [3, 11])
def test_every_line_that_is_drawn_has_a_band_of_its_colour(count):
    names = [f"mixed.relevance.{delta}" for delta in range(count)]
    lines = {name: (name, (delta / count, 0.5, 0.5)) for delta, name in enumerate(names)}
    evaluations = pandas.DataFrame({"criterion": names, "seed": 0, "accuracy.a": 0.5, "accuracy.b": 0.5})
    figure = curves.curves(table(["random", *names]), evaluations, lines, "title")
    for panel in range(4):
        drawn = bands(figure, panel)
        assert len(drawn) == count + 1
        assert {tuple(band.get_facecolor()[0][:3]) for band in drawn} >= {colour for _, colour in lines.values()}
    # All of them on one point hide no more than a few would.
    assert 1 - (1 - drawn[0].get_alpha()) ** (count + 1) < 0.6


def test_a_ring_stands_on_its_line_where_widths_are_met():
    lines = {"a": ("a", "#ff0000"), "b": ("b", "#0000ff")}
    evaluations = pandas.DataFrame({"criterion": ["a"], "seed": 0, "accuracy.a": 0.5, "accuracy.b": 0.5})
    figure = curves.curves(table(["random", "a", "b"]), evaluations, lines, "title", {"a": 0.3, "b": 0.6})
    for panel, values in ((0, {"#ff0000": (0.3, 0.6), "#0000ff": (0.6, 0.3)}), (2, {"#ff0000": (0.3, 0.8)})):
        rings = {line.get_color(): line for line in figure.axes[panel].lines if line.get_fillstyle() == "none"}
        assert len(rings) == 2
        for colour, place in values.items():
            assert [*rings[colour].get_xdata(), *rings[colour].get_ydata()] == pytest.approx(place)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels.count(curves.RING) == 1


def test_a_control_without_intervals_has_no_band():
    lines = {"a": ("a", "#000000")}
    evaluations = pandas.DataFrame({"criterion": ["a"], "seed": 0, "accuracy.a": 0.5, "accuracy.b": 0.5})
    figure = curves.curves(table(["random", "a"], without=["random"]), evaluations, lines, "title")
    assert len(bands(figure, 0)) == 1


def test_every_column_of_recoveries_has_the_random_control_that_was_treated_alike():
    pruned = table(["random", "a"]).assign(recovery="none")
    treated = pruned.assign(recovery="batchnorm", accuracy=pruned["accuracy"] + 0.05)
    both = pandas.concat([pruned, treated], ignore_index=True)
    labels = {"none": "pruned", "batchnorm": "BatchNorm re-estimated"}
    figure = curves.by_recovery(both, 0.1, {"a": ("a", "#000000")}, labels, "title", {"a": 0.3})
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == ["pruned", "BatchNorm re-estimated", "", ""]
    for place, gain in ((0, 0), (1, 0.05), (2, 0), (3, 0.05)):
        panel = figure.axes[place]
        lines = [line for line in panel.lines if line.get_label() in ("random", "a")]
        assert sorted(line.get_label() for line in lines) == ["a", "random"] and len(bands(figure, place)) == 2
        # A ring at the level that the widths of a criterion meet.
        rings = [line for line in panel.lines if line.get_fillstyle() == "none"]
        assert [ring.get_ydata().tolist() for ring in rings] == [pytest.approx([0.6 + gain])]
        for line in lines:
            assert line.get_ydata().tolist() == pytest.approx([0.9 - level + gain for level in LEVELS])


def test_figures_of_networks_as_pruned_say_so_where_others_are_evaluated_too():
    recovered = {"recovery": ["none", "batchnorm"], "batchnorm_images": 300}
    for name in ("controls", "deltas", "floors", "scores", "statistics", "strategies"):
        assert "as pruning left them: the figure *Recovery*" in caption(f"plot_{name}", evaluation=recovered)
        assert "Recovery" not in caption(f"plot_{name}")
    assert "on up to 300 training images, in batches of 128" in caption("plot_recovery", evaluation=recovered)


CAPTIONS = ("controls", "deltas", "floors", "recovery", "scores", "statistics", "strategies", "retraining")


def caption(name, **changes):
    config = settings.checked({**LEAST, "retraining": {"criteria": ["weight.mean_abs"], "levels": [0.5]}, **changes})
    job = {"config": config, "wildcards": {"reading": "relevance", "source": "weight", "controlled": "weight.mean_abs"}}
    text = (ROOT / "report" / f"{name}.rst").read_text(encoding="utf-8")
    # As Snakemake renders them: the newline behind a block is dropped.
    return jinja2.Template(text, trim_blocks=True, lstrip_blocks=True).render(snakemake=job)


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions_say_what_intervals_are_over(name):
    seeds, one = caption(f"plot_{name}"), caption(f"plot_{name}", training={"seeds": [0]})
    assert "Student intervals of the change against the dense network, paired by seed" in seeds
    assert "intervals of this one network: over test images (paired bootstrap" in one
    assert "draws, widened by what the images add" in one
    single = caption(f"plot_{name}", training={"seeds": [0]}, criteria={"random": 1})
    assert "none, because one draw does not tell" in single or "none where it has one draw" in single
    for text in (seeds, one, single):
        assert "Intervals of an accuracy are cut at 0 and 100 %." in text and "of the first and the last" not in text


VERDICT = {
    "readings": {"relevance": {}, "thesis": {}},
    "verdict": {"page": "page.md", "ours": "relevance", "faithful": "thesis", "beside": ["results/other"]},
}


def test_no_sentence_of_a_caption_runs_into_the_next():
    others = ({}, {"recovery": ["none", "batchnorm"]}, *BUDGETS.values())
    for path in sorted((ROOT / "report").glob("*.rst")):
        for other in others:
            text = caption(path.stem, evaluation={"choose_on": "rank", **other}, **VERDICT)
            assert re.findall(r".{20}[.:;][A-Z*].{10}", text) == [], path


def test_eight_draws_are_the_default_and_captions_count_them():
    assert "over its 8 draws" in caption("plot_deltas", training={"seeds": [0]})
    assert "Grey dashes are 8 random draw(s) of every seed, averaged within it first" in caption("plot_deltas")
    for name in ("tabulate_accuracy", "judge_thesis", "data"):
        assert "8 draws, widened by what the images add" in caption(name, training={"seeds": [0]})
        assert "one draw" in caption(name, training={"seeds": [0]}, criteria={"random": 1})


BUDGETS = {
    "units": {"budget": "units"},
    "rounded": {"budget": "units", "round_to": 4},
    "parameters": {"budget": "parameters"},
    "macs": {"budget": "macs", "round_to": 4},
}


@pytest.mark.parametrize("name", BUDGETS)
def test_equal_numbers_of_units_are_claimed_only_where_levels_count_them(name):
    floors, retrained = (caption(f"plot_{one}", evaluation=BUDGETS[name]) for one in ("floors", "retraining"))
    alike = name == "units"
    assert ("removes as many units" in floors) == alike and ("is the same for all criteria" in retrained) == alike
    words = {"parameters": "share of the parameters", "macs": "share of the multiply-adds", "rounded": "multiples of 4"}
    for text in () if alike else (floors, retrained):
        assert words[name] in text and "numbers" in text


def test_the_front_page_names_every_way_in_which_channels_are_ranked():
    bare = {"alternate": False, "deltas": [], "readings": [], "alternate_only": []}
    assert "by both" not in caption("study", criteria={"mixing": bare})
    assert "by both" in caption("study", criteria={"mixing": {**bare, "alternate_only": ["relevance"]}})
    mixture = {"name": "both", "first": "relevance.mean_abs", "second": "weight.mean_abs", "deltas": ["0.5"]}
    assert "mixtures" not in caption("study")
    assert "by mixtures of two of these" in caption("study", criteria={"mixtures": [mixture]})


def test_ends_that_lie_unlike_far_from_the_mean_are_spoken_of():
    assert "plus the two ends of the interval" in caption("data")
    assert "need not lie equally far from the mean" in caption("data", training={"seeds": [0]})
    assert "``[low, high]``, where one is cut or does not lie as far" in caption("tabulate_accuracy")


def stability_figure():
    seen = [(seed, images) for seed in (0, 1) for images in (8, 16)]
    rows = [{"reading": "a", "seed": seed, "images": images, "spearman": 1 - 1 / images} for seed, images in seen]
    return stability.stability(pandas.DataFrame(rows), {"a": 0.9}, "title")


def layers_figure(criteria=("a", "b")):
    removed = {"removed.one": [0.0, 0.5], "removed.two": [0.0, 1.0]}
    table = pandas.DataFrame({"criterion": "a", "budget": "units", "seed": 0, "level": [0.0, 0.5], **removed})
    tables = pandas.concat([table.assign(criterion=name) for name in criteria])
    return layers.layers(tables, {name: name for name in criteria}, "title")


def retraining_figure(kinds=("none", "retrained"), levels=(0.5,)):
    cell = {
        "criterion": "a",
        "collapsed": 0.0,
        "accuracy": 0.5,
        "accuracy_low": 0.4,
        "accuracy_high": 0.6,
    }
    cells = itertools.product(kinds, levels)
    means = pandas.DataFrame([cell | {"kind": kind, "level": level} for kind, level in cells])
    rows = pandas.concat([means, means.assign(level=0.0)])
    return retraining.recovery(means, rows, ["a"], list(kinds), "title")


@pytest.mark.parametrize("levels", [(0.5,), (0.3, 0.5), (0.3, 0.5, 0.7)])
def test_the_legend_of_retraining_fits_into_the_figure(levels, tmp_path):
    figure = retraining_figure(kinds=tuple(KINDS), levels=levels)
    appearance.save(figure, tmp_path / "figure.svg")
    (legend,) = figure.legends
    extent = legend.get_window_extent()
    assert extent.x0 >= 0 and extent.x1 <= figure.bbox.width


@pytest.mark.parametrize("draw", [stability_figure, layers_figure, retraining_figure])
def test_a_figure_that_is_drawn_twice_is_one_file_with_its_text_as_text(draw, tmp_path):
    for name in ("one.svg", "two.svg"):
        appearance.save(draw(), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert ">title</text>" in (tmp_path / "one.svg").read_text()


def test_the_layers_of_a_single_criterion_are_one_panel_with_its_scale():
    figure = layers_figure(["a"])
    panel, scale = figure.axes
    assert panel.get_title() == "a" and scale.get_ylabel() == "share of the layer's channels removed"
    assert [label.get_text() for label in panel.texts] == ["", "", "", "×"]


def test_no_figure_changes_the_settings_of_matplotlib(tmp_path):
    # The settings are copied as a plain dict, because reading the backend from them would choose one.
    code = f"""
import matplotlib
before = dict.copy(matplotlib.rcParams)
from secateur.figures import appearance, curve_page, layers, retraining, stability
assert dict.copy(matplotlib.rcParams) == before, "on import"
import pandas
curves = pandas.DataFrame({{"reading": "a", "seed": 0, "images": [8, 16], "spearman": [0.5, 0.75]}})
figure = stability.stability(curves, {{}}, "title")
assert dict.copy(matplotlib.rcParams) == before, "after drawing"
appearance.save(figure, {str(tmp_path / "figure.svg")!r})
assert dict.copy(matplotlib.rcParams) == before, "after saving"
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert (tmp_path / "figure.svg").stat().st_size > 1000
