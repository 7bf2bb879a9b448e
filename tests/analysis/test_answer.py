"""A study's answer is chosen on images beside the test images, by fixed rules, and told only where an interval does."""

import numpy as np
import pandas
import pytest

from secateur.analysis import answer
from secateur.analysis.results import Results

FAMILIES = {"relevance.mean": "relevance", "relevance.max": "relevance", "weight.mean": "weights", "random": "random"}
# {criterion: accuracies at the levels 0, 0.3 and 0.6 on the images that choose, and on the test images}.
ACCURACIES = {
    "relevance.mean": ([0.9, 0.88, 0.5], [0.9, 0.84, 0.4]),
    "relevance.max": ([0.9, 0.86, 0.7], [0.9, 0.89, 0.6]),
    "weight.mean": ([0.9, 0.8, 0.6], [0.9, 0.88, 0.8]),
    "random.0": (None, [0.9, 0.5, 0.2]),
    "random.1": (None, [0.9, 0.7, 0.2]),
}
LEVELS = (0, 0.3, 0.6)


def _results(accuracies=ACCURACIES, seeds=(0, 1, 2)):
    rows = []
    for seed in seeds:
        for name, by_split in accuracies.items():
            for split, values in zip(("validation", "test"), by_split, strict=True):
                for level, value in zip(LEVELS, values or (), strict=False):
                    row = {"seed": seed, "split": split, "criterion": name, "level": level, "empty": ""}
                    step = 0.02 if name.startswith("random") else 0.01
                    row |= {"accuracy": value + step * seed * (level > 0), "loss": 1 - value, "accuracy.cat": value}
                    rows.append(row)
    return Results(pandas.DataFrame(rows), {})


def _chosen(results, split="validation"):
    return answer.chosen(results, FAMILIES, split, ["weight.mean", "relevance.mean"])


def test_the_highest_level_close_to_dense_on_the_choosing_images_is_taken():
    picked = _chosen(_results())
    # On the test images it would be another criterion, and at the next level none is close.
    assert (picked.level, picked.leader, picked.near, picked.split) == (0.3, "relevance.mean", True, "validation")
    assert picked.of_families == {"relevance": "relevance.mean", "weights": "weight.mean"}
    assert picked.accuracy == pytest.approx(0.89) and picked.dense == pytest.approx(0.9)


def test_criteria_are_compared_with_the_best_of_the_weights():
    """Ahead of a bad statistic of the weights says nothing of another."""
    bad = ([0.9, 0.2, 0.1], [0.9, 0.95, 0.9])
    results = _results({"weight.mean_abs": bad, **ACCURACIES})
    families = {"weight.mean_abs": "weights", **FAMILIES}
    picked = answer.chosen(results, families, "validation", ["weight.mean_abs"])
    assert picked.weights == "weight.mean"
    assert answer.looked_at(results, picked) == ["relevance.mean", "weight.mean", "random.0"]
    without = answer.chosen(results, {"relevance.mean": "relevance", "random": "random"}, "validation", [])
    assert without.weights is None
    assert answer.looked_at(results, without) == ["relevance.mean", "random.0"]


def test_the_ends_of_mixed_lists_stand_for_no_family():
    alike = ACCURACIES["relevance.mean"]
    results = _results(ACCURACIES | {"mixed.relevance.1.0": alike, "mixed.relevance.0.3": ACCURACIES["weight.mean"]})
    families = FAMILIES | {"mixed.relevance.1.0": "mixed", "mixed.relevance.0.3": "mixed"}
    picked = answer.chosen(results, families, "validation", ["weight.mean", "relevance.mean"])
    assert picked.leader == "relevance.mean" and picked.of_families["mixed"] == "mixed.relevance.0.3"


def test_a_study_of_which_no_level_is_close_says_so_at_its_lowest():
    far = {name: (None if validation is None else [0.99, *validation[1:]], test) for name, (validation, test) in
           ACCURACIES.items()}  # fmt: skip
    picked = _chosen(_results(far))
    assert (picked.level, picked.leader, picked.near) == (0.3, "relevance.mean", False)


def test_nothing_is_chosen_without_images_that_choose():
    for results, split in ((_results(), None), (_results({k: (None, v) for k, (_, v) in ACCURACIES.items()}), "rank")):
        picked = _chosen(results, split)
        assert (picked.leader, picked.split, picked.level) == (None, None, 0.6)
        assert picked.of_families == {"weights": "weight.mean", "relevance": "relevance.mean"}


def test_a_study_that_removes_nothing_has_an_answer_all_the_same():
    whole = {name: [values and values[:1] for values in by_split] for name, by_split in ACCURACIES.items()}
    picked = _chosen(_results(whole))
    assert (picked.level, picked.near) == (0.0, True)
    assert _chosen(_results(whole), None).level == 0.0


def test_equal_accuracies_are_decided_by_the_loss():
    results = _results()
    table = results.table
    even = (table["split"] == "validation") & (table["level"] == 0.3)
    results.table.loc[even, "accuracy"] = 0.88
    again = Results(results.table, {})
    assert _chosen(again).leader == "relevance.mean"
    losses = results.table.assign(loss=np.where(table["criterion"] == "weight.mean", 0.01, table["loss"]))
    assert _chosen(Results(losses, {})).leader == "weight.mean"


def test_differences_are_paired_by_seed_and_told_where_zero_is_outside():
    results = _results()
    found = answer.difference(results, "relevance.mean", "random", 0.3, 0.05, 1000, 0)
    assert found.estimate == pytest.approx(0.23) and found.told
    missing = answer.difference(results, "relevance.mean", "none", 0.3, 0.05, 1000, 0)
    assert missing is None
    assert not answer.Difference(0.1, -0.1, 0.3).told
    untested = answer.Difference(0.1, float("nan"), float("nan"))
    assert not untested.told and not untested.tested and found.tested


def test_no_point_of_a_front_is_beaten():
    generator = np.random.default_rng(0)
    points = pandas.DataFrame({"macs": generator.integers(0, 30, 60), "accuracy": generator.integers(0, 30, 60) / 30})
    front = answer.front(points, "macs", "accuracy")
    for row in points.itertuples():
        better = front[(front["macs"] <= row.macs) & (front["accuracy"] >= row.accuracy)]
        assert len(better)
    assert front["macs"].is_monotonic_decreasing and front["accuracy"].is_monotonic_decreasing
    assert not front.duplicated("accuracy").any()
