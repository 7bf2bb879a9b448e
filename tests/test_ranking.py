"""Rankings are permutations, in exact proportions."""

import collections
from fractions import Fraction

import hypothesis
import numpy as np
import pandas
import pytest
from hypothesis import strategies

from secateur import Refused, ranking
from secateur.pruning import plans
from secateur.study import widths

UNITS = pandas.DataFrame({"unit": [0, 1, 2], "layer": ["a", "a", "b"], "channel": [0, 1, 0]})


def permutations_of(n):
    return strategies.permutations(range(n))


def mixed_slowly(weight, relevance, tenths):
    """The thesis's listing in integers: accounts count tenths."""
    accounts, lists, taken, emitted = [0, 0], (weight, relevance), [0, 0], []
    while max(taken) < len(weight):
        for side, share in enumerate((10 - tenths, tenths)):
            accounts[side] += share
            if accounts[side] >= 10:
                accounts[side] -= 10
                emitted.append(lists[side][taken[side]])
                taken[side] += 1
    emitted += weight[taken[0] :] + relevance[taken[1] :]
    return [unit for place, unit in enumerate(emitted) if unit not in emitted[:place]]


def test_the_lowest_score_goes_first():
    assert ranking.by_score([0.3, -1.0, 0.2]).tolist() == [1, 2, 0]


def test_equal_scores_keep_the_network_order():
    assert ranking.by_score([1.0, 0.0, 1.0, 0.0]).tolist() == [1, 3, 0, 2]


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="^the score of unit 1 is nan; every unit needs a finite score$"):
        ranking.by_score([0.0, float("nan")])


def test_combined_takes_turns_and_relevance_begins():
    assert ranking.combined([0, 1, 2, 3], [3, 1, 0, 2]).tolist() == [0, 3, 1, 2]


@hypothesis.given(permutations_of(23), permutations_of(23), strategies.integers(0, 10))
def test_mixed_equals_the_listing_in_integers_and_is_a_permutation(weight, relevance, tenths):
    found = ranking.mixed(weight, relevance, f"{tenths / 10}").tolist()
    assert found == mixed_slowly(weight, relevance, tenths)
    assert sorted(found) == list(range(23))


@hypothesis.given(permutations_of(12), permutations_of(12))
def test_delta_0_is_the_weight_list_and_delta_1_the_relevance_list(weight, relevance):
    assert ranking.mixed(weight, relevance, "0.0").tolist() == weight
    assert ranking.mixed(weight, relevance, "1.0").tolist() == relevance


def test_ten_steps_of_one_tenth_are_exactly_one():
    weight, relevance = list(range(100)), list(range(99, -1, -1))
    # In floats, ten times 0.1 stays below 1 and the relevance list would be paid a step late.
    assert ranking.mixed(weight, relevance, "0.1").tolist()[:11] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 99, 9]


def test_at_delta_one_half_the_weight_list_goes_first():
    assert ranking.mixed([0, 1, 2, 3], [3, 2, 1, 0], "0.5").tolist() == [0, 3, 1, 2]


@pytest.mark.parametrize("delta", ["-0.1", "1.5"])
def test_a_delta_outside_0_and_1_is_refused(delta):
    with pytest.raises(ValueError, match="delta must be within 0 and 1"):
        ranking.mixed([0], [0], delta)


def test_rankings_of_different_units_cannot_be_mixed():
    with pytest.raises(ValueError, match="not of the same units: 2 and 3"):
        ranking.combined([0, 1], [0, 1, 2])


def test_a_random_order_depends_on_its_seed_alone():
    assert ranking.at_random(50, 7).tolist() == ranking.at_random(50, 7).tolist()
    assert ranking.at_random(50, 7).tolist() != ranking.at_random(50, 8).tolist()
    assert sorted(ranking.at_random(50, 7)) == list(range(50))


def statistics(**columns):
    return pandas.DataFrame({"layer": ["b", "a", "a"], "channel": [0, 1, 0], "mean": [3.0, 2.0, 1.0]} | columns)


def test_scores_stand_in_the_order_of_units():
    assert ranking.scores(statistics(), UNITS, "mean").tolist() == [1.0, 2.0, 3.0]


def test_every_channel_needs_exactly_one_score():
    with pytest.raises(ValueError, match=r"^2 channels have scores, but 3 can be removed; .* channel 0 of layer b$"):
        ranking.scores(statistics().iloc[1:], UNITS, "mean")
    with pytest.raises(ValueError, match=r"^a channel has two scores: \('a', 1\)$"):
        ranking.scores(statistics(channel=[0, 1, 1]), UNITS, "mean")


def test_scores_of_channels_that_cannot_be_removed_are_left_out():
    assert ranking.scores(statistics(), UNITS[UNITS["layer"] == "a"], "mean").tolist() == [1.0, 2.0]


def test_a_table_holds_the_order_and_gives_it_back():
    table = ranking.table(np.array([2, 0, 1]), UNITS)
    assert table["layer"].tolist() == ["b", "a", "a"]
    assert ranking.order(table).tolist() == [2, 0, 1]


def test_an_order_that_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match="^the ranking is not a permutation of the 3 units$"):
        ranking.table(np.array([0, 0, 1]), UNITS)


def test_a_layer_without_scores_is_scored_by_the_others_of_its_units_and_else_stays():
    """A gate's channels have no relevance: unit 0 has another channel, units 1 and 2 have none."""
    units = pandas.DataFrame(
        {"unit": [0, 0, 1, 2, 3], "layer": ["gate", "a", "gate", "gate", "a"], "channel": [0, 0, 1, 2, 1]}
    )
    given = pandas.DataFrame(
        {"layer": ["a", "a", *["gate"] * 3], "channel": [0, 1, 0, 1, 2], "mean": [2.0, 1.0, *[np.nan] * 3]}
    )
    scores = ranking.scores(given, units, "mean")
    assert scores.to_dict() == {0: 2.0, 3: 1.0}
    table = ranking.table(ranking.by_score(scores), units, partial=True)
    assert list(zip(table["unit"], table["stays"], strict=True)) == [(3, 0), (0, 0), (0, 0), (1, 1), (2, 1)]
    assert ranking.order(table).tolist() == [3, 0]
    # Levels are shares of all four units, of which two can go.
    assert plans.plan(table, 0.5) == {"a": [0, 1], "gate": [0]}
    with pytest.raises(ValueError, match=r"^level 0.75 is 3 of 4 units, but 2 have no score and .* only 2 can be"):
        plans.plan(table, 0.75)
    assert [part.tolist() for part in ranking.of_both([3, 0], [0, 1, 2, 3])] == [[3, 0], [0, 3]]


# ---- controls ------------------------------------------------------------------------------------------------


@hypothesis.given(permutations_of(20), strategies.integers(0, 5))
def test_shuffling_keeps_how_many_of_each_layer_and_draws_which(order, seed):
    layers = {unit: "abc"[unit % 3] for unit in range(20)}
    found = ranking.shuffled(order, layers, seed).tolist()
    assert sorted(found) == list(range(20))
    assert [layers[unit] for unit in found] == [layers[unit] for unit in order]


@hypothesis.given(permutations_of(24), strategies.integers(0, 24))
def test_uniform_thins_all_layers_alike_in_the_rankings_order(order, count):
    layers = {unit: "a" if unit < 4 else "b" if unit < 12 else "c" for unit in range(24)}
    found = ranking.uniform(order, layers).tolist()
    for layer, width in (("a", 4), ("b", 8), ("c", 12)):
        own = [unit for unit in found if layers[unit] == layer]
        assert own == [unit for unit in order if layers[unit] == layer]
        gone = sum(layers[unit] == layer for unit in found[:count])
        assert abs(gone - count * width / 24) <= 1


def test_units_are_filed_under_their_layer():
    assert ranking.layers_of(UNITS) == {0: "a", 1: "a", 2: "b"}
    coupled = pandas.DataFrame({"unit": [0, 0, 1, 2], "layer": ["a", "b", "b", "a"], "channel": [0, 0, 1, 1]})
    assert ranking.counts_of(coupled) == {"a": 2, "b": 1}


# ---- given widths --------------------------------------------------------------------------------------------


def of_counts(counts):
    """{unit: layer} of layers of so many units, a, b, c ..., in network order."""
    named = []
    for place, count in enumerate(counts):
        named += count * ["abcdef"[place]]
    return dict(enumerate(named))


@strategies.composite
def layers_with_widths(draw):
    """({unit: layer}, {layer: kept}, an order of the units) in which some layers may keep all."""
    counts = draw(strategies.lists(strategies.integers(1, 9), min_size=1, max_size=5))
    layers = of_counts(counts)
    kept = {"abcdef"[place]: draw(strategies.integers(1, count)) for place, count in enumerate(counts)}
    return layers, kept, draw(strategies.permutations(list(layers)))


@hypothesis.given(layers_with_widths())
def test_widths_are_met_exactly_at_their_level_and_every_layer_keeps_the_rankings_order(drawn):
    layers, kept, order = drawn
    found = ranking.at_widths(order, layers, kept).tolist()
    assert sorted(found) == sorted(order)
    counts = collections.Counter(layers.values())
    lost = {layer: counts[layer] - kept[layer] for layer in counts}
    total = sum(lost.values())
    assert collections.Counter(layers[unit] for unit in found[:total]) == +collections.Counter(lost)
    for layer in counts:
        assert [unit for unit in found if layers[unit] == layer] == [unit for unit in order if layers[unit] == layer]
    for count in range(len(found)):
        part, gone = (lost, found[:count]) if count <= total else (kept, found[total:count])
        assert has_common_share(part, collections.Counter(layers[unit] for unit in gone))


def has_common_share(wholes, counts):
    """True if layers have lost one share of their wholes, each to within half a unit."""
    least = [Fraction(2 * counts[layer] - 1, 2 * whole) for layer, whole in wholes.items() if whole]
    most = [Fraction(2 * counts[layer] + 1, 2 * whole) for layer, whole in wholes.items() if whole]
    return max(least, default=0) <= min(most, default=1)


def test_ties_at_widths_keep_the_rankings_order():
    # a loses 3 of 4 and b 1: their middles are 1/6, 1/2, 5/6 and 1/2; those of the rest are 3/2 and 7/6, 3/2, 11/6.
    layers, kept = of_counts([4, 4]), {"a": 1, "b": 3}
    assert ranking.at_widths(range(8), layers, kept).tolist() == [0, 1, 4, 2, 5, 3, 6, 7]
    assert ranking.at_widths([4, 5, 6, 7, 0, 1, 2, 3], layers, kept).tolist() == [0, 4, 1, 2, 5, 6, 3, 7]
    # A layer that keeps all is thinned with the others beyond that level.
    assert ranking.at_widths(range(4), of_counts([2, 2]), {"a": 1}).tolist() == [0, 2, 1, 3]


def test_widths_of_resnet110_are_met_by_702_of_2016_units():
    counts, layers = {}, []
    for place, count in enumerate([16] * 18 + [32] * 18 + [64] * 18):
        counts[f"conv{place}"] = count
        layers += count * [f"conv{place}"]
    kept = widths.resolved({"16": 8, "32": 22, "64": 43}, counts, "x")
    assert (widths.removed(kept, counts), len(layers)) == (702, 2016)
    order = ranking.at_widths(ranking.at_random(2016, 0), dict(enumerate(layers)), kept)
    assert collections.Counter(layers[unit] for unit in order[702:]) == kept


def test_a_score_is_ranked_at_its_widths():
    scores = pandas.DataFrame({"layer": ["a", "a", "b", "b"], "channel": [0, 1, 0, 1], "score": [4.0, 3.0, 1.0, 2.0]})
    units = scores[["layer", "channel"]].assign(unit=range(4))
    assert ranking.of_scores(scores, units, scope="widths", widths={"a": 1}).tolist() == [1, 2, 0, 3]
    with pytest.raises(Refused, match="^scope: widths keeps all units of every layer; keep fewer of some"):
        ranking.of_scores(scores, units, scope="widths", widths={"a": 2})


# ---- by cost -------------------------------------------------------------------------------------------------

COSTED = pandas.DataFrame(
    {
        "unit": [0, 1, 1, 2],
        "layer": ["a", "a", "b", "b"],
        "channel": [0, 1, 0, 1],
        "parameters": [1, 10, 10, 5],
        "macs": [100, 10, 10, 20],
    }
)


@pytest.mark.parametrize(("per", "order"), [(None, [2, 0, 1]), ("macs", [0, 2, 1]), ("parameters", [2, 1, 0])])
def test_scores_by_cost_are_divided_by_what_each_unit_saves(per, order):
    scores = pandas.DataFrame({"layer": COSTED["layer"], "channel": COSTED["channel"], "score": [2.0, 1.5, 1.5, 1.0]})
    assert ranking.of_scores(scores, COSTED, per=per).tolist() == order
    if per:
        by_unit = ranking.per_cost(pandas.Series([2.0, 3.0, 1.0]), COSTED, per)
        saved = COSTED.drop_duplicates("unit")[per].to_numpy()
        np.testing.assert_allclose(by_unit, np.array([2.0, 3.0, 1.0]) / saved)


def test_a_unit_that_saves_nothing_has_no_score_by_cost():
    free = COSTED.assign(macs=[100, 0, 0, 20])
    with pytest.raises(Refused, match=r"unit 1 \(channel 1 of layer a\) saves no macs, so that no score per macs"):
        ranking.per_cost(pandas.Series([2.0, 3.0, 1.0]), free, "macs")
    with pytest.raises(Refused, match="unit 9 has a score, but the table of units lacks it"):
        ranking.per_cost(pandas.Series([2.0, 1.0], index=[0, 9]), COSTED, "macs")
    # Units without a score, as gates have none by relevance, are not asked.
    assert list(ranking.per_cost(pandas.Series([2.0, 1.0], index=[0, 2]), free, "macs").index) == [0, 2]
