"""Averages and intervals: the textbook's numbers, pairing, and what random means."""

import numpy as np
import pandas
import pytest
from scipy import stats

from secateur.analysis import averages
from secateur.study import seeds


def one(criterion, accuracy, empty=""):
    columns = {
        "criterion": criterion,
        "recovery": "none",
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
    return averages.evaluations(parts)


def row(curves, criterion, level):
    return curves[(curves["criterion"] == criterion) & (curves["level"] == level)].iloc[0]


def test_draws_are_averaged_within_a_seed_first():
    curves = averages.curves(study(), [], [], 0.95, 100, 0)
    random = row(curves, "random", 0.5)
    assert random["accuracy"] == pytest.approx(0.4)
    assert random["seeds"] == 3
    assert random["collapsed"] == pytest.approx(1 / 6)


def test_intervals_over_seeds_are_of_paired_differences():
    weight = row(averages.curves(study(), [], [], 0.95, 100, 0), "weight.mean", 0.5)
    change = np.array([0.7 + s / 50 - 0.9 - s / 100 for s in range(3)])
    low, high = stats.t.interval(0.95, 2, loc=change.mean(), scale=stats.sem(change))
    assert weight["accuracy_change"] == pytest.approx(change.mean())
    assert weight["accuracy_low"] - weight["accuracy"] == pytest.approx(low - change.mean())
    assert weight["versus_random"] == pytest.approx(0.32)


def of_one_network(shares=None):
    """(curves, bits, losses) of one network: {criterion: its share of right images when half is removed}."""
    generator = np.random.default_rng(0)
    shares = shares or {"weight.mean": 0.8, "random.0": 0.3, "random.1": 0.5}
    dense = generator.random(500) < 0.9
    bits = {name: np.stack([dense, generator.random(500) < share]) for name, share in shares.items()}
    losses = {name: np.where(right, 0.1, 3) + generator.random((2, 500)) for name, right in bits.items()}
    losses = {name: np.stack([losses["random.0"][0], each[1]]) for name, each in losses.items()}
    parts = [(0, "test", one(name, right.mean(1))) for name, right in bits.items()]
    found = averages.curves(averages.evaluations(parts), list(bits.values()), list(losses.values()), 0.95, 500, 0)
    return found, bits, losses


def test_one_network_gets_a_bootstrap_over_images_for_the_accuracy_and_students_for_the_loss():
    curves, bits, losses = of_one_network()
    weight = row(curves, "weight.mean", 0.5)
    change = bits["weight.mean"][1].astype(float) - bits["weight.mean"][0]
    half = 1.96 * change.std() / np.sqrt(500)
    assert weight["accuracy_high"] - weight["accuracy_low"] == pytest.approx(2 * half, rel=0.1)
    change = losses["weight.mean"][1] - losses["weight.mean"][0]
    wanted = stats.t.interval(0.95, 499, change.mean(), stats.sem(change))
    assert weight["loss_change"] == pytest.approx(change.mean())
    assert weight["loss_high"] - weight["loss_low"] == pytest.approx(wanted[1] - wanted[0])
    assert (weight["loss_low"] + weight["loss_high"]) / 2 == pytest.approx(losses["weight.mean"][1].mean())
    for criterion in ("weight.mean", "random"):
        dense = row(curves, criterion, 0.0)
        assert dense["accuracy_low"] == dense["accuracy_high"] and dense["loss_low"] == dense["loss_high"]


def test_of_one_network_the_draws_of_a_control_are_a_source_of_variation():
    curves, bits, losses = of_one_network()
    weight, random = row(curves, "weight.mean", 0.5), row(curves, "random", 0.5)
    differences = [bits["weight.mean"][1].mean() - bits[f"random.{draw}"][1].mean() for draw in range(2)]
    assert weight["versus_random"] == pytest.approx(np.mean(differences))
    # Two draws, 0.2 apart: Student's half is 12.7 x 0.1, beyond what a difference can be. Images alone have 0.06.
    assert weight["versus_random_low"] < 0 and weight["versus_random_high"] == 1
    assert (random["accuracy_low"], random["accuracy_high"]) == (0, 1)
    assert random["versus_random_low"] == random["versus_random_high"] == 0
    spread = np.ptp([losses[f"random.{draw}"][1].mean() for draw in range(2)]) / 2
    assert random["loss_high"] - random["loss_low"] > 12.7 * spread


def test_of_one_network_one_draw_of_a_control_has_no_interval():
    curves, _, _ = of_one_network({"weight.mean": 0.8, "random.0": 0.3, "shuffled.weight.mean.0": 0.4})
    weight = row(curves, "weight.mean", 0.5)
    assert weight["versus_random"] > 0.3 and np.isnan([weight["versus_random_low"], weight["versus_random_high"]]).all()
    assert weight["accuracy_low"] < weight["accuracy"] < weight["accuracy_high"]
    for control in ("random", "shuffled.weight.mean"):
        assert np.isnan(row(curves, control, 0.5)[["accuracy_low", "accuracy_high", "loss_low"]].astype(float)).all()


def test_draws_of_a_learned_criterion_on_one_network_count_beside_those_of_chance():
    shares = {"gates.mlp.0": 0.6, "gates.mlp.1": 0.65, "gates.mlp.2": 0.7, "random.0": 0.3, "random.1": 0.36}
    curves, bits, _ = of_one_network(shares)
    learned = row(curves, "gates.mlp", 0.5)
    sides = [[bits[name][1] for name in shares if name.startswith(kind)] for kind in ("gates", "random")]
    means = [np.mean(side, axis=1) for side in sides]
    assert learned["versus_random"] == pytest.approx(means[0].mean() - means[1].mean())
    # The draws of chance, two of them, are the wider part; those of learning and the images widen it further.
    of_chance, of_learning = (stats.t.isf(0.025, len(mean) - 1) * stats.sem(mean) for mean in reversed(means))
    images = np.mean(sides[0], axis=0) - np.mean(sides[1], axis=0)
    of_images = stats.t.isf(0.025, 499) * stats.sem(images)
    half = np.sqrt(of_chance**2 + of_learning**2 + of_images**2)
    assert learned["versus_random"] - learned["versus_random_low"] == pytest.approx(half)
    # Against the dense network, the draws of learning alone.
    change = np.array(sides[0], float) - bits["gates.mlp.0"][0]
    wanted = np.hypot(of_learning, stats.t.isf(0.025, 499) * stats.sem(change.mean(0)))
    assert learned["accuracy"] - learned["accuracy_low"] == pytest.approx(wanted)


def test_one_draw_of_a_learned_criterion_has_no_interval_on_one_network():
    curves, _, _ = of_one_network({"gates.mlp.0": 0.6, "random.0": 0.3, "random.1": 0.5, "l1.gates.mlp": 0.5})
    learned, beside = row(curves, "gates.mlp", 0.5), row(curves, "l1.gates.mlp", 0.5)
    assert np.isnan(learned[["accuracy_low", "versus_random_low", "loss_low"]].astype(float)).all()
    assert learned["versus_random"] == pytest.approx(0.2, abs=0.1)
    assert not np.isnan(beside[["accuracy_low", "versus_random_low", "loss_low"]].astype(float)).any()


def test_no_interval_of_an_accuracy_leaves_0_to_100_percent():
    parts = []
    for seed, pruned in ((0, 0.1), (1, 0.9), (2, 0.99)):
        parts.append((seed, "test", one("weight.mean", [0.99, pruned])))
        parts.append((seed, "test", one("random.0", [0.99, 1 - pruned])))
    curves = averages.curves(averages.evaluations(parts), [], [], 0.95, 100, 0)
    weight = row(curves, "weight.mean", 0.5)
    assert (weight["accuracy_low"], weight["accuracy_high"]) == (0, 1)
    assert (weight["versus_random_low"], weight["versus_random_high"]) == (-1, 1)


def treated(table, gains):
    """The rows of a table as after re-estimation, with so much more accuracy at each level."""
    return table.assign(recovery="batchnorm", accuracy=table["accuracy"] + gains)


def test_recoveries_are_compared_with_what_was_treated_alike_by_seed():
    plain, gains = study(), {"weight.mean": (-0.02, 0.1), "random.0": (-0.02, 0.3), "random.1": (-0.02, 0.2)}
    parts = [plain]
    for name, gain in gains.items():
        own = plain[(plain["criterion"] == name) & (plain["split"] == "test")]
        parts.append(treated(own, np.where(own["level"] == 0, *gain) + own["seed"] / 1000))
    curves = averages.curves(pandas.concat(parts, ignore_index=True), [], [], 0.95, 100, 0)
    # What is said of networks as pruned is what is said without others beside them.
    alone = averages.curves(plain, [], [], 0.95, 100, 0)
    pruned = curves[curves["recovery"] == "none"].reset_index(drop=True)
    pandas.testing.assert_frame_equal(pruned[list(alone)], alone)
    assert not any(column.startswith("versus_none") for column in alone) and pruned["versus_none"].isna().all()
    weight = row(curves[curves["recovery"] == "batchnorm"], "weight.mean", 0.5)
    # 0.72 in the middle and 0.1 more, less a dense network of 0.91 less 0.02, less chance of 0.4 and 0.25 more.
    assert weight["accuracy"] == pytest.approx(0.821)
    assert weight["accuracy_change"] == pytest.approx(0.82 - 0.89)
    assert weight["versus_random"] == pytest.approx(0.82 - 0.65)
    low, high = stats.t.interval(0.95, 2, loc=0.101, scale=stats.sem([0.1, 0.101, 0.102]))
    found = weight[["versus_none", "versus_none_low", "versus_none_high"]].astype(float)
    np.testing.assert_allclose(found, [0.101, low, high])


def test_recoveries_of_one_network_are_paired_by_image_and_leave_its_draws_as_they_were():
    alone, bits, losses = of_one_network()
    recovered = {}
    for draw, (name, right) in enumerate(bits.items()):
        generator = np.random.default_rng(draw + 1)
        recovered[name] = right | (generator.random(right.shape) < 0.2)
        recovered[name][0] = bits["weight.mean"][0]
    plain = [(0, "test", one(name, right.mean(1))) for name, right in bits.items()]
    after = [(0, "test", one(name, right.mean(1)).assign(recovery="batchnorm")) for name, right in recovered.items()]
    table = averages.evaluations([*plain, *after])
    right, loss = [*bits.values(), *recovered.values()], [*losses.values(), *losses.values()]
    curves = averages.curves(table, right, loss, 0.95, 500, 0)
    pruned = curves[curves["recovery"] == "none"].reset_index(drop=True)
    pandas.testing.assert_frame_equal(pruned[list(alone)], alone)
    both = curves[curves["recovery"] == "batchnorm"]
    weight, random = row(both, "weight.mean", 0.5), row(both, "random", 0.5)
    gain = recovered["weight.mean"][1].astype(float) - bits["weight.mean"][1]
    assert weight["versus_none"] == pytest.approx(gain.mean())
    half = 1.96 * gain.std() / np.sqrt(500)
    assert weight["versus_none_high"] - weight["versus_none_low"] == pytest.approx(2 * half, rel=0.15)
    # Draws of the control are paired with themselves.
    gains = [recovered[f"random.{draw}"][1].mean() - bits[f"random.{draw}"][1].mean() for draw in range(2)]
    assert random["versus_none"] == pytest.approx(np.mean(gains))
    assert random["versus_none_high"] - random["versus_none_low"] > 12.7 * np.ptp(gains)
    assert weight["versus_random"] == pytest.approx(weight["accuracy"] - random["accuracy"])


def test_a_draw_depends_on_every_word_of_its_purpose():
    draws = {seeds.derived(*words) for words in ((0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a1"))}
    assert len(draws) == 5
