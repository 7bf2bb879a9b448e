"""The agreement of rankings, against scipy and against sets."""

import itertools
import math

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from secateur import ranking
from secateur.analysis import agreement
from secateur.analysis.agreement import Order


@given(st.permutations(range(12)), st.permutations(range(12)), st.integers(0, 3), st.integers(0, 3))
def test_correlations_are_scipys_over_the_units_that_both_rank(first, second, without, less):
    first, second = first[without:], second[less:]
    both = sorted({*first} & {*second})
    ranks = [[[*filter(both.__contains__, order)].index(unit) for unit in both] for order in (first, second)]
    measured = agreement.spearman(Order(first, 12), Order(second, 12))
    assert measured == pytest.approx(stats.spearmanr(*ranks).statistic)
    assert agreement.spearman(Order(second, 12), Order(first, 12)) == pytest.approx(measured)


def test_shares_are_of_what_a_level_removes_and_none_is_made_up():
    first, second = Order([4, 3, 2, 1, 0], 5), Order([4, 0, 3], 5)
    # 40 % of five units are two, 60 % are three.
    assert agreement.shared(0.4)(first, second) == 0.5
    assert agreement.shared(0.6)(first, second) == pytest.approx(2 / 3)
    assert math.isnan(agreement.shared(0.8)(first, second)) and math.isnan(agreement.shared(0)(first, second))
    assert math.isnan(agreement.spearman(Order([1], 2), Order([1], 2)))


def test_what_layers_alone_share_is_the_mean_of_random_lists_with_the_same_counts():
    """Against all pairs of such lists: the expectation of a hypergeometric distribution."""
    layers = {0: "a", 1: "a", 2: "a", 3: "b", 4: "b"}
    first, second = Order([0, 1, 3, 2, 4], 5, layers), Order([2, 3, 4, 0, 1], 5, layers)
    # 60 % of five units are three: two of a and one of b, one of a and two of b.
    ones = [{*a, b} for a in itertools.combinations((0, 1, 2), 2) for b in (3, 4)]
    others = [{a, 3, 4} for a in (0, 1, 2)]
    expected = np.mean([len(one & other) / 3 for one in ones for other in others])
    assert agreement.by_layers(0.6)(first, second) == pytest.approx(expected)
    # One layer: the level itself.
    same = dict.fromkeys(range(5), "a")
    assert agreement.by_layers(0.6)(Order(range(5), 5, same), Order(range(5), 5, same)) == pytest.approx(0.6)
    assert math.isnan(agreement.by_layers(0)(first, second))


def test_draws_and_networks_are_read_from_their_files(tmp_path):
    orders = {("a.max", 0): [0, 1, 2, 3], ("random.0", 0): [1, 0, 2, 3], ("random.1", 0): [3, 2, 1, 0]}
    orders |= {("a.max", 3): [0, 1, 2, 3], ("random.0", 3): [0, 1, 2, 3], ("unseen", 3): [0, 1, 2, 3]}
    for (name, seed), units in orders.items():
        path = tmp_path / str(seed) / "ranking" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        stays = np.zeros(4, int)
        pandas.DataFrame({"unit": units, "stays": stays, "layer": "a"}).to_csv(path, index=False)
    rankings = agreement.Rankings(tmp_path.rglob("*.csv"), ranking.order)
    assert rankings.has("random") and not rankings.has("random.0")
    assert rankings.mean("a.max", "random", agreement.shared(0.25)) == {0: 0, 3: 1}
    assert rankings.mean("a.max", "random", agreement.shared(0.5)) == {0: 0.5, 3: 1}
    assert rankings.mean("unseen", "a.max", agreement.spearman) == {3: 1}
