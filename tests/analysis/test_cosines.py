"""Mean cosines have the intervals of the design: over networks, or over the images of one."""

import math

import numpy as np
import pytest
from scipy import stats

from secateur.analysis import cosines


def mean(by_seed, drawn=False):
    return cosines.mean(by_seed, drawn, 0.05, 500, np.random.default_rng(0))


def test_several_networks_have_students_interval_over_their_means():
    by_seed = {0: np.array([0.9, 0.7]), 1: np.array([0.6]), 2: np.array([0.7, 0.7])}
    means = np.array([0.8, 0.6, 0.7])
    half = stats.t.isf(0.025, 2) * means.std(ddof=1) / math.sqrt(3)
    found = mean(by_seed)
    assert (found.mean, found.low, found.high) == pytest.approx((0.7, 0.7 - half, 0.7 + half))
    # A network without relevance has no mean.
    assert mean(by_seed | {3: np.empty(0)}) == found


def test_one_network_has_an_interval_over_its_images_and_a_single_draw_none():
    values = np.random.default_rng(1).uniform(0, 1, 200)
    found, drawn = mean({0: values}), mean({0: values}, drawn=True)
    half = 1.96 * values.std() / math.sqrt(200)
    assert found.low == pytest.approx(values.mean() - half, abs=0.01)
    assert found.high == pytest.approx(values.mean() + half, abs=0.01)
    assert drawn.mean == found.mean and math.isnan(drawn.low) and str(drawn) == f"{values.mean():.3f}"


def test_no_cosine_at_all_is_said():
    assert str(mean({0: np.empty(0), 1: np.empty(0)})) == "none"
