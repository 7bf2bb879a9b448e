"""Two studies of the same test images: what is paired, differences at equal levels and at equal multiply-adds."""

import numpy as np
import pandas
import pytest
from scipy import stats

from secateur.analysis import two_studies
from secateur.analysis.two_studies import Point, Study, Two
from secateur.study import settings

IMAGES = 40
CONFIG = settings.checked({"data": {"source": "digits", "size": 16}, "model": {"name": "vgg_small"}})
LEVELS = {0.0: 1000, 0.5: 600, 0.75: 200}


def study(right, macs=None, **changes):
    """A study of {criterion: {seed: counts of right images at LEVELS}}."""
    rows = []
    for name, by_seed in right.items():
        for seed, counts in by_seed.items():
            for (level, cost), count in zip(LEVELS.items(), counts, strict=True):
                row = {"split": "test", "criterion": name, "recovery": "none", "keep_at_least": 0, "level": level}
                row |= {"seed": seed, "images": IMAGES, "macs": (macs or {}).get((name, level), cost), "loss": 1.0}
                # As tables have it.
                row |= {"accuracy": float(f"{count / IMAGES:.3g}"), "empty": "", "accuracy.cat": 0.5, "removed.a": 0.1}
                rows.append(row)
    table = pandas.DataFrame(rows)
    bits = {}
    for name, by_seed in right.items():
        (counts, *_) = by_seed.values()
        bits["test", name] = np.stack([np.arange(IMAGES) < count for count in counts])
    return Study(
        "somewhere", CONFIG | changes, table, pandas.DataFrame(), two_studies.by_recovery(table, {"none": bits}), {}
    )


def two(first, second):
    return Two(first, second, "0")


SEVERAL = {"weight.mean_abs": {0: [38, 30, 11], 1: [39, 31, 12], 2: [37, 33, 10]}}
BETTER = {"weight.mean_abs": {0: [38, 33, 10], 1: [39, 33, 12], 2: [37, 37, 10]}}


def test_equal_seeds_of_one_network_are_pairs_and_others_are_none():
    assert two(study(SEVERAL), study(BETTER)).pairing == two_studies.SEEDS
    training = CONFIG["training"] | {"epochs": 99}
    assert two(study(SEVERAL), study(BETTER, training=training)).pairing == two_studies.SEEDS
    for section, key, value in (("model", "name", "vgg16"), ("split", "train", 50), ("data", "size", 8)):
        other = study(BETTER, **{section: CONFIG[section] | {key: value}})
        assert two(study(SEVERAL), other).pairing == two_studies.APART
    fewer = {"weight.mean_abs": {seed: BETTER["weight.mean_abs"][seed] for seed in (0, 1)}}
    assert two(study(SEVERAL), study(fewer)).pairing == two_studies.APART
    one = {"weight.mean_abs": {7: [38, 30, 11]}}
    assert two(study(one), study(SEVERAL)).pairing == two_studies.APART
    assert two(study(one), study(one)).pairing == two_studies.IMAGES


def test_pairs_have_students_interval_of_their_differences():
    point = Point("weight.mean_abs", 0.5)
    found = two_studies.level_gap(two(study(SEVERAL), study(BETTER)), "none", point, point)
    differences = np.array([3, 2, 4]) / IMAGES
    low, high = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert (found.a, found.b) == pytest.approx((94 / 120, 103 / 120))
    assert found[2:5] == pytest.approx((differences.mean(), low, high))
    assert found.word == "B" and not found.same


def test_no_pairs_have_the_errors_of_both_sides():
    other = {"weight.mean_abs": {5: [38, 33, 10], 6: [39, 33, 12], 7: [37, 37, 10]}}
    point = Point("weight.mean_abs", 0.5)
    found = two_studies.level_gap(two(study(SEVERAL), study(other)), "none", point, point)
    first, second = np.array([30, 31, 33]) / IMAGES, np.array([33, 33, 37]) / IMAGES
    half = stats.t.isf(0.025, 2) * np.hypot(stats.sem(first), stats.sem(second))
    middle = second.mean() - first.mean()
    assert found[2:5] == pytest.approx((middle, middle - half, middle + half))
    assert found.word == "cannot be told"
    one = {"weight.mean_abs": {5: [38, 40, 10]}}
    assert two_studies.level_gap(two(study(SEVERAL), study(one)), "none", point, point).word == "no interval"


def test_single_networks_are_paired_by_image_and_their_draws_are_not_paired():
    one = {"weight.mean_abs": {0: [38, 30, 11]}, "random.0": {0: [38, 20, 4]}, "random.1": {0: [38, 24, 4]}}
    other = {"weight.mean_abs": {0: [38, 36, 11]}, "random.0": {0: [38, 26, 4]}, "random.1": {0: [38, 32, 4]}}
    pair = two(study(one), study(other))
    point = Point("weight.mean_abs", 0.5)
    found = two_studies.level_gap(pair, "none", point, point)
    differences = np.repeat([0, 1, 0], [30, 6, 4])
    assert found.estimate == differences.mean() == 0.15
    # Of so many images 1.96 standard errors are the bootstrap's ends to within one or two images.
    assert found.low == pytest.approx(0.15 - 1.96 * stats.sem(differences), abs=0.03) and found.word == "B"
    chance = two_studies.level_gap(pair, "none", Point("random", 0.5), Point("random", 0.5))
    assert (chance.a, chance.b) == (22 / 40, 29 / 40)
    of_draws = [stats.sem([20 / 40, 24 / 40]), stats.sem([26 / 40, 32 / 40])]
    images = np.mean([np.arange(40) < 26, np.arange(40) < 32], 0) - np.mean([np.arange(40) < 20, np.arange(40) < 24], 0)
    half = np.hypot(stats.t.isf(0.025, 1) * np.hypot(*of_draws), stats.t.isf(0.025, 39) * stats.sem(images))
    assert chance.low == pytest.approx(max(-1, 7 / 40 - half)) and chance.word == "cannot be told"


def test_equal_answers_are_equal_and_not_untold():
    point = Point("weight.mean_abs", 0.75)
    found = two_studies.level_gap(two(study(SEVERAL), study(SEVERAL)), "none", point, point)
    assert found.same and found.word == "equal"
    # Counts that differ by the same in every seed say nothing of how much seeds differ.
    shifted = {"weight.mean_abs": {seed: [38, *np.array(counts[1:]) + 2] for seed, counts in
                                   SEVERAL["weight.mean_abs"].items()}}  # fmt: skip
    assert two_studies.level_gap(two(study(SEVERAL), study(shifted)), "none", point, point).word == "no interval"


def test_equal_multiply_adds_lie_on_the_line_between_levels_of_each_network():
    cheaper = {("weight.mean_abs", 0.5): 500, ("weight.mean_abs", 0.75): 300}
    pair = two(study(SEVERAL), study(BETTER, cheaper))
    found = two_studies.cost_gap(pair, "none", "weight.mean_abs", "weight.mean_abs", 400)
    first = np.array([(30 + 11) / 2, (31 + 12) / 2, (33 + 10) / 2]) / IMAGES
    second = np.array([33 + 10, 33 + 12, 37 + 10]) / 2 / IMAGES
    assert (found.a, found.b) == pytest.approx((first.mean(), second.mean()))
    assert found.estimate == pytest.approx((second - first).mean())
    assert two_studies.cost_gap(pair, "none", "weight.mean_abs", "weight.mean_abs", 250) is None
    at_a_level = two_studies.cost_gap(pair, "none", "weight.mean_abs", "weight.mean_abs", 500)
    assert at_a_level.b == pytest.approx(103 / 120)
    # The dense network itself.
    assert two_studies.cost_gap(pair, "none", "weight.mean_abs", "weight.mean_abs", 1000).a == pytest.approx(114 / 120)
    assert two_studies.cost_gap(pair, "none", "weight.mean_abs", "weight.mean_abs", 1001) is None


def test_the_table_has_what_both_have_and_the_rest_is_named():
    first = study(SEVERAL | {"random.0": SEVERAL["weight.mean_abs"], "relevance.mean_abs": SEVERAL["weight.mean_abs"]})
    second = study(BETTER | {"random.0": BETTER["weight.mean_abs"], "weight.max": BETTER["weight.mean_abs"]})
    table = two_studies.differences(two(first, second))
    assert list(table["criterion"].unique()) == ["dense network", "weight.mean_abs", "random"]
    assert table["ahead"].iloc[0] == "equal" and list(table) == list(two_studies.COLUMNS)
    at = table[(table["criterion"] == "random") & (table["equal"] == "level")]
    assert list(at["level"]) == [0.5, 0.75] and list(at["macs_a"]) == [600, 200]
    equal = table[(table["criterion"] == "random") & (table["equal"] == "macs")]
    # A share of 0.15 lies beyond the last level.
    assert list(equal["macs_a"]) == [900, 750, 600, 450, 300] and equal["level"].isna().all()
    assert two_studies.only(two(first, second)) == {"criteria": (["relevance.mean_abs"], ["weight.max"])}
