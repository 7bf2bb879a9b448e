"""Averages and intervals: the textbook's numbers, pairing, and what random means."""

import numpy as np
import pandas
import pytest
from scipy import stats

from secateur import intervals, seeds, summary


def test_students_interval_is_the_textbooks():
    values = [0.1, 0.2, 0.6]
    mean, half = intervals.student(values, 0.95)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert np.isnan(intervals.student([0.3])[1])


def test_the_bootstrap_by_counts_is_the_bootstrap_by_images():
    generator = np.random.default_rng(0)
    right, reference = generator.random(400) < 0.8, generator.random(400) < 0.6
    low, high = intervals.paired_bootstrap(right, reference, 0.95, 20000, np.random.default_rng(1))
    difference = right.astype(float) - reference
    slow = [difference[generator.integers(0, 400, 400)].mean() for _ in range(5000)]
    assert (low, high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.006)


def test_the_binomial_floor_is_the_textbooks():
    assert intervals.binomial_floor(0.9, 10000) == pytest.approx(1.959964 * np.sqrt(0.09 / 10000))


def one(criterion, accuracy, empty=""):
    columns = {
        "criterion": criterion,
        "budget": "units",
        "keep_at_least": 0.0,
        "images": 500,
        "units": 0,
        "realised": 0.0,
        "parameters": 10,
        "macs": 20,
        "loss": 1.0,
    }
    return pandas.DataFrame({"level": [0.0, 0.5], "accuracy": accuracy, "empty": ["", empty], **columns})


def study(seeds=(0, 1, 2)):
    parts = []
    for seed in seeds:
        parts.append((seed, "test", one("weight.mean", [0.9 + seed / 100, 0.7 + seed / 50])))
        parts.append((seed, "test", one("random.0", [0.9 + seed / 100, 0.3], "a" if seed == 0 else "")))
        parts.append((seed, "test", one("random.1", [0.9 + seed / 100, 0.5])))
    # What chooses is no part of what is reported.
    parts.append((0, "rank", one("weight.mean", [0.1, 0.1])))
    return summary.evaluations(parts)


def row(curves, criterion, level):
    return curves[(curves["criterion"] == criterion) & (curves["level"] == level)].iloc[0]


def test_draws_are_averaged_within_a_seed_first():
    curves = summary.curves(study(), [], 0.95, 100, 0)
    random = row(curves, "random", 0.5)
    assert random["accuracy"] == pytest.approx(0.4)
    assert random["seeds"] == 3
    assert random["collapsed"] == pytest.approx(1 / 6)


def test_intervals_over_seeds_are_of_paired_differences():
    weight = row(summary.curves(study(), [], 0.95, 100, 0), "weight.mean", 0.5)
    change = np.array([0.7 + s / 50 - 0.9 - s / 100 for s in range(3)])
    low, high = stats.t.interval(0.95, 2, loc=change.mean(), scale=stats.sem(change))
    assert weight["accuracy_change"] == pytest.approx(change.mean())
    assert weight["accuracy_low"] - weight["accuracy"] == pytest.approx(low - change.mean())
    assert weight["versus_random"] == pytest.approx(0.32)


def test_one_network_gets_a_bootstrap_over_images_and_no_interval_for_the_loss():
    generator = np.random.default_rng(0)
    bits = {
        name: generator.random((2, 500)) < share
        for name, share in (("weight.mean", 0.8), ("random.0", 0.3), ("random.1", 0.5))
    }
    curves = summary.curves(study([0]), list(bits.values()), 0.95, 500, 0)
    weight = row(curves, "weight.mean", 0.5)
    assert (
        weight["versus_random_low"]
        < bits["weight.mean"][1].mean() - (bits["random.0"][1].mean() + bits["random.1"][1].mean()) / 2
        < weight["versus_random_high"]
    )
    assert np.isnan(weight["loss_low"])
    dense = row(curves, "weight.mean", 0.0)
    assert dense["accuracy_low"] == dense["accuracy_high"]


def test_a_draw_depends_on_every_word_of_its_purpose():
    draws = {seeds.derived(*words) for words in ((0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a1"))}
    assert len(draws) == 5
